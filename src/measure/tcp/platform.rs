//! The question to the system for which our dependencies have no safe call: how a TCP connection is doing.
//! The only unsafe code of the crate.

#![allow(unsafe_code, reason = "getsockopt(TCP_INFO) has no safe wrapper here")]

use std::os::fd::{AsRawFd, BorrowedFd};

use super::TcpCounters;

/// What the kernel says of a TCP socket; `None` where it says nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn tcp_counters(socket: BorrowedFd<'_>) -> Option<TcpCounters> {
    use std::mem::{offset_of, size_of, zeroed};
    use std::time::Duration;

    // SAFETY: a structure of integers, for which zero is a value.
    let mut info: libc::tcp_info = unsafe { zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `info`, and any bytes are integers.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if status != 0 {
        return None;
    }
    // An older kernel fills less of it: the field that comes last among ours was filled if it ends
    // within what was written (`struct tcp_info` only ever grows; include/uapi/linux/tcp.h).
    let last_end = offset_of!(libc::tcp_info, tcpi_bytes_retrans) + size_of::<u64>();
    if (length as usize) < last_end {
        return None;
    }
    let micros = |micros: u32| Duration::from_micros(micros.into());
    // Both 0 and the largest value mean that none was taken yet.
    let taken = |time: u32| (time != 0 && time != u32::MAX).then(|| micros(time));
    Some(TcpCounters {
        round_trip: taken(info.tcpi_rtt),
        round_trip_min: taken(info.tcpi_min_rtt),
        delivery_rate_bytes_per_second: info.tcpi_delivery_rate,
        sent_bytes: info.tcpi_bytes_sent,
        resent_bytes: info.tcpi_bytes_retrans,
        busy: Duration::from_micros(info.tcpi_busy_time),
        receive_window_limited: Duration::from_micros(info.tcpi_rwnd_limited),
        send_buffer_limited: Duration::from_micros(info.tcpi_sndbuf_limited),
    })
}

/// What the kernel says of a TCP socket; `None` where it says nothing.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn tcp_counters(_: BorrowedFd<'_>) -> Option<TcpCounters> {
    None
}

/// Runs `ask` on a socket by its number.
///
/// The number must be that of an open socket; if it is not, the answer is about another file, but
/// nothing is harmed.
pub(super) fn with_socket<T>(number: i32, ask: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
    // SAFETY: the caller sees to it that the socket is open until `ask` returns.
    ask(unsafe { BorrowedFd::borrow_raw(number) })
}
