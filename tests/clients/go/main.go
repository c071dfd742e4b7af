// Command round does what users of the AWS SDK for Go do, against the endpoint that is its only
// argument. Keys come from the environment. The bucket `bucket` is empty; `other` will keep
// versions. It ends with an error at the first answer that is not what Storj's gateway gives.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	transfertypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const part = 5 << 20

var (
	ctx    = context.Background()
	bucket = aws.String("bucket")
	other  = aws.String("other")
	large  = make([]byte, 12<<20+5)
	files  = map[string][]byte{
		"empty":                    {},
		"two words.nc":             []byte("words"),
		"a/b/c/nested.bin":         []byte("nested"),
		"größe/Ångström-温度.h5":     []byte("unicode"),
		"1+1=2 100%.txt":           []byte("signs"),
		"large.bin":                large,
		"quote'\"<&>.xml":          []byte("quote"),
		"~tilde*(paren)!@$,;:.log": []byte("tilde"),
	}
)

// must ends the program if there is an error.
func must(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func got[T any](value T, err error) T {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
	return value
}

func check(holds bool, what ...any) {
	if !holds {
		log.Output(2, fmt.Sprint(what...))
		os.Exit(1)
	}
}

// refused wants the call to have been refused like this.
func refused(status int, code string, err error) {
	var answer *awshttp.ResponseError
	var named smithy.APIError
	if !errors.As(err, &answer) || !errors.As(err, &named) ||
		answer.HTTPStatusCode() != status || named.ErrorCode() != code {
		log.Output(2, fmt.Sprintf("%d %s was expected, not %v", status, code, err))
		os.Exit(1)
	}
}

func second[T any](_ T, err error) error { return err }

func body(s *s3.Client, bucket, key *string, version *string) []byte {
	input := &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: version}
	answer := got(s.GetObject(ctx, input))
	defer answer.Body.Close()
	return got(io.ReadAll(answer.Body))
}

func treeGoesUpAndDown(s *s3.Client) {
	here, back := got(os.MkdirTemp("", "")), got(os.MkdirTemp("", ""))
	defer os.RemoveAll(here)
	defer os.RemoveAll(back)
	for name, content := range files {
		path := filepath.Join(here, name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		must(os.WriteFile(path, content, 0o644))
	}
	transfers := transfermanager.New(s, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold = part, part
		// By part number Storj gives all as part 1: only ranges come at the same time.
		o.GetObjectType = transfertypes.GetObjectRanges
	})
	up := got(transfers.UploadDirectory(ctx, &transfermanager.UploadDirectoryInput{
		Bucket: bucket, Source: &here, KeyPrefix: aws.String("p"), Recursive: aws.Bool(true)}))
	check(up.ObjectsFailed == 0, up)
	got(transfers.DownloadDirectory(ctx, &transfermanager.DownloadDirectoryInput{
		Bucket: bucket, Destination: &back, KeyPrefix: aws.String("p/")}))
	for name, content := range files {
		found := got(os.ReadFile(filepath.Join(back, name)))
		check(bytes.Equal(found, content), name)
	}
	// Page by page, in an order that is not that of the keys: each once.
	input := &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("p/"), MaxKeys: aws.Int32(3)}
	seen := map[string]bool{}
	for pages := s3.NewListObjectsV2Paginator(s, input); pages.HasMorePages(); {
		for _, object := range got(pages.NextPage(ctx)).Contents {
			check(!seen[*object.Key], *object.Key)
			seen[*object.Key] = true
		}
	}
	check(len(seen) == len(files), seen)
}

func metadataAndTagsStay(s *s3.Client) {
	key := aws.String("meta")
	got(s.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("meta"),
		ContentType: aws.String("text/x"), Metadata: map[string]string{"Key-One": "Value One"}}))
	head := got(s.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}))
	check(*head.ContentType == "text/x" && head.Metadata["key-one"] == "Value One", head.Metadata)
	tag := types.Tag{Key: aws.String("run"), Value: aws.String("7 b")}
	got(s.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: key,
		Tagging: &types.Tagging{TagSet: []types.Tag{tag}}}))
	tags := got(s.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: bucket, Key: key})).TagSet
	check(len(tags) == 1 && *tags[0].Value == "7 b", tags)
	got(s.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: bucket, Key: key}))
}

func objectsAreCopiedAndDeleted(s *s3.Client) {
	source, key := aws.String("bucket/p/two%20words.nc"), aws.String("copied")
	got(s.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: key, CopySource: source}))
	check(string(body(s, bucket, key, nil)) == "words")
	begun := got(s.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key}))
	refused(501, "NotImplemented", second(s.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: bucket,
		Key: key, UploadId: begun.UploadId, PartNumber: aws.Int32(1), CopySource: source})))
	got(s.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: key,
		UploadId: begun.UploadId}))
	got(s.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key}))
	refused(404, "NotFound", second(s.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})))
	// The SDK sends a CRC32 where Storj insists on a Content-MD5.
	some := &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("p/empty")}}}
	refused(400, "MissingContentMD5", second(s.DeleteObjects(ctx,
		&s3.DeleteObjectsInput{Bucket: bucket, Delete: some})))
}

func versionsAreKept(s *s3.Client) {
	got(s.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: other,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}))
	key := aws.String("v/k")
	put := func(content string) *string {
		return got(s.PutObject(ctx, &s3.PutObjectInput{Bucket: other, Key: key,
			Body: strings.NewReader(content)})).VersionId
	}
	old, young := put("old"), put("new")
	remove := func(version *string) *string {
		return got(s.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: other, Key: key,
			VersionId: version})).VersionId
	}
	marker := remove(nil)
	refused(404, "NoSuchKey", second(s.GetObject(ctx, &s3.GetObjectInput{Bucket: other, Key: key})))
	listed := got(s.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: other}))
	check(len(listed.Versions) == 2 && len(listed.DeleteMarkers) == 1, listed)
	check(*listed.Versions[0].VersionId == *young && *listed.Versions[1].VersionId == *old, "order")
	check(string(body(s, other, key, old)) == "old")
	remove(old)
	remove(marker)
	check(string(body(s, other, key, nil)) == "new")
}

func addressesArePresigned(s *s3.Client) {
	signer, key := s3.NewPresignClient(s), aws.String("pre signed/ü")
	address := got(signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key}))
	request := got(http.NewRequest(address.Method, address.URL, strings.NewReader("sent")))
	answer := got(http.DefaultClient.Do(request))
	answer.Body.Close()
	check(answer.StatusCode == 200, answer.Status)
	address = got(signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}))
	check(strings.Contains(address.URL, "X-Amz-Signature="), address.URL)
	answer = got(http.Get(address.URL))
	defer answer.Body.Close()
	check(string(got(io.ReadAll(answer.Body))) == "sent", answer.Status)
}

func uploadsAreContinued(s *s3.Client) {
	key := aws.String("parts")
	begun := got(s.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key}))
	send := func(id *string, number int32, content []byte) *string {
		return got(s.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: id,
			PartNumber: &number, Body: bytes.NewReader(content)})).ETag
	}
	send(begun.UploadId, 1, large[:part])
	// Another process that knows the key alone goes on.
	listed := got(s.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: bucket, Prefix: key}))
	check(len(listed.Uploads) == 1, listed.Uploads)
	id := listed.Uploads[0].UploadId
	there := got(s.ListParts(ctx, &s3.ListPartsInput{Bucket: bucket, Key: key, UploadId: id})).Parts
	check(len(there) == 1 && *there[0].Size == part, there)
	tag := send(id, 2, large[part:])
	complete := func(parts ...types.CompletedPart) error {
		return second(s.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket,
			Key: key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}))
	}
	first := types.CompletedPart{PartNumber: aws.Int32(1), ETag: there[0].ETag}
	refused(400, "InvalidPart", complete(first))
	must(complete(first, types.CompletedPart{PartNumber: aws.Int32(2), ETag: tag}))
	check(slices.Equal(body(s, bucket, key, nil), large), "another content")
}

func main() {
	log.SetFlags(log.Lshortfile)
	rand.New(rand.NewSource(1)).Read(large)
	s := s3.New(s3.Options{
		BaseEndpoint: &os.Args[1],
		UsePathStyle: true,
		Region:       "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
	treeGoesUpAndDown(s)
	metadataAndTagsStay(s)
	objectsAreCopiedAndDeleted(s)
	versionsAreKept(s)
	addressesArePresigned(s)
	uploadsAreContinued(s)
	fmt.Println(aws.SDKName, aws.SDKVersion)
}
