"""What users of boto3 do, against the endpoint that is named as the only argument.

Keys come from the environment. The bucket `bucket` is empty; `other` will keep versions. Ends with
an error at the first answer that is not what Storj's gateway gives.
"""

import base64
import hashlib
import os
import sys
import tempfile
import urllib.request
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
PART = 5 * MIB
LARGE = os.urandom(12 * MIB + 5)
FILES = {
    "empty": b"",
    "two words.nc": b"words",
    "a/b/c/nested.bin": b"nested",
    "größe/Ångström-温度.h5": b"unicode",
    "1+1=2 100%.txt": b"signs",
    "large.bin": LARGE,
}
IN_PARTS = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)


def client(endpoint, **config):
    # Storj is not AWS: buckets in the path, and Signature V4 for presigned addresses, too.
    options = {"signature_version": "s3v4", "s3": {"addressing_style": "path"}, **config}
    return boto3.client("s3", endpoint_url=endpoint, config=Config(**options))


def refused(status, code, call, **arguments):
    """The call is refused like this."""
    try:
        call(**arguments)
    except ClientError as error:
        answer = error.response
        found = answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]
        assert found == (status, code), found
    else:
        raise AssertionError(f"{status} {code} was expected")


def body(s3, bucket, key, **arguments):
    return s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


def keys(s3, **arguments):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", **arguments)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def files_go_up_and_down(s3, here):
    for name, content in FILES.items():
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        s3.upload_file(str(path), "bucket", f"p/{name}", Config=IN_PARTS)
    for name, content in FILES.items():
        back = here / "back"
        s3.download_file("bucket", f"p/{name}", str(back), Config=IN_PARTS)
        assert back.read_bytes() == content, name
    names = {f"p/{name}" for name in FILES}
    assert set(keys(s3)) == names
    # Page by page, in an order that is not that of the keys: each once.
    paged = keys(s3, Prefix="p/", PaginationConfig={"PageSize": 2})
    assert sorted(paged) == sorted(names)
    top = s3.list_objects_v2(Bucket="bucket", Prefix="p/", Delimiter="/")
    assert sorted(item["Prefix"] for item in top["CommonPrefixes"]) == ["p/a/", "p/größe/"]


def metadata_and_tags_stay(s3):
    s3.put_object(
        Bucket="bucket",
        Key="meta",
        Body=b"meta",
        ContentType="text/x; charset=utf-8",
        CacheControl="max-age=9",
        Metadata={"Key-One": "Value One"},
    )
    head = s3.head_object(Bucket="bucket", Key="meta")
    assert head["ContentType"] == "text/x; charset=utf-8" and head["CacheControl"] == "max-age=9"
    assert head["Metadata"] == {"key-one": "Value One"}
    tags = [{"Key": "run", "Value": "7 b"}]
    s3.put_object_tagging(Bucket="bucket", Key="meta", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket="bucket", Key="meta")["TagSet"] == tags
    s3.delete_object_tagging(Bucket="bucket", Key="meta")
    assert s3.get_object_tagging(Bucket="bucket", Key="meta")["TagSet"] == []


def objects_are_copied_and_deleted(s3):
    source = {"Bucket": "bucket", "Key": "p/größe/Ångström-温度.h5"}
    s3.copy_object(Bucket="other", Key="copied", CopySource=source)
    assert body(s3, "other", "copied") == b"unicode"
    # In parts Storj does not copy; whole it does.
    large = {"Bucket": "bucket", "Key": "p/large.bin"}
    refused(501, "NotImplemented", s3.copy, CopySource=large, Bucket="other", Key="l", Config=IN_PARTS)
    s3.copy(CopySource=large, Bucket="other", Key="large", Config=TransferConfig(1 << 40))
    assert body(s3, "other", "large") == LARGE
    s3.delete_object(Bucket="bucket", Key="p/empty")
    refused(404, "404", s3.head_object, Bucket="bucket", Key="p/empty")
    # boto3 sends a CRC32 where Storj insists on the Content-MD5 that boto3 used to send.
    some = {"Objects": [{"Key": "p/two words.nc"}], "Quiet": True}
    refused(400, "MissingContentMD5", s3.delete_objects, Bucket="bucket", Delete=some)


def objects_are_deleted_with_content_md5(endpoint):
    """The remedy: one more header, added to what is about to be signed."""
    s3 = client(endpoint)

    def add_md5(request, **_):
        digest = hashlib.md5(request.body).digest()
        request.headers["Content-MD5"] = base64.b64encode(digest).decode()

    s3.meta.events.register("before-sign.s3.DeleteObjects", add_md5)
    some = {"Objects": [{"Key": "p/two words.nc"}, {"Key": "meta"}]}
    assert len(s3.delete_objects(Bucket="bucket", Delete=some)["Deleted"]) == 2


def versions_are_kept(s3):
    status = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket="other", VersioningConfiguration=status)
    assert s3.get_bucket_versioning(Bucket="other")["Status"] == "Enabled"
    old = s3.put_object(Bucket="other", Key="v/k", Body=b"old")["VersionId"]
    new = s3.put_object(Bucket="other", Key="v/k", Body=b"new")["VersionId"]
    marker = s3.delete_object(Bucket="other", Key="v/k")["VersionId"]
    refused(404, "NoSuchKey", s3.get_object, Bucket="other", Key="v/k")
    listed = s3.list_object_versions(Bucket="other", Prefix="v/")
    assert [version["VersionId"] for version in listed["Versions"]] == [new, old]
    assert [found["VersionId"] for found in listed["DeleteMarkers"]] == [marker]
    top = s3.list_object_versions(Bucket="other", Delimiter="/")
    assert [item["Prefix"] for item in top["CommonPrefixes"]] == ["v/"]
    assert body(s3, "other", "v/k", VersionId=old) == b"old"
    s3.delete_object(Bucket="other", Key="v/k", VersionId=old)
    s3.delete_object(Bucket="other", Key="v/k", VersionId=marker)
    assert body(s3, "other", "v/k") == b"new"


def addresses_are_presigned(s3):
    target = {"Bucket": "bucket", "Key": "pre signed/ü"}
    address = s3.generate_presigned_url("put_object", Params=target, ExpiresIn=60)
    assert "X-Amz-Signature=" in address
    urllib.request.urlopen(urllib.request.Request(address, data=b"sent", method="PUT")).close()
    address = s3.generate_presigned_url("get_object", Params=target, ExpiresIn=60)
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"sent"


def uploads_are_aborted_and_continued(s3):
    target = {"Bucket": "bucket", "Key": "parts"}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"lost")
    s3.abort_multipart_upload(**upload)
    refused(404, "NoSuchUpload", s3.list_parts, **upload)

    begun = s3.create_multipart_upload(**target, Metadata={"k": "v"})["UploadId"]
    s3.upload_part(**target, UploadId=begun, PartNumber=1, Body=LARGE[:PART])
    # Another process that knows the key alone goes on.
    (found,) = s3.list_multipart_uploads(Bucket="bucket", Prefix="parts")["Uploads"]
    assert found["UploadId"] == begun
    upload = {**target, "UploadId": found["UploadId"]}
    there = s3.list_parts(**upload)["Parts"]
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in there]
    sent = sum(part["Size"] for part in there)
    tag = s3.upload_part(**upload, PartNumber=2, Body=LARGE[sent:])["ETag"]
    missing = {"Parts": parts}
    refused(400, "InvalidPart", s3.complete_multipart_upload, **upload, MultipartUpload=missing)
    parts.append({"PartNumber": 2, "ETag": tag})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert body(s3, "bucket", "parts") == LARGE
    assert s3.head_object(**target)["Metadata"] == {"k": "v"}


def main():
    endpoint = sys.argv[1]
    s3 = client(endpoint)
    with tempfile.TemporaryDirectory() as here:
        files_go_up_and_down(s3, Path(here))
    metadata_and_tags_stay(s3)
    objects_are_copied_and_deleted(s3)
    objects_are_deleted_with_content_md5(endpoint)
    versions_are_kept(s3)
    addresses_are_presigned(s3)
    uploads_are_aborted_and_continued(s3)
    print("boto3", boto3.__version__)


main()
