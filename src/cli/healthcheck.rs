//! `healthcheck`: one question to the admin port, for containers without curl.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::ExitCode,
};

use super::args::HealthcheckArgs;

/// Most bytes of an answer that are looked at.
const ANSWER_LIMIT: u64 = 64 * 1024;

/// Asks and prints the answer.
pub fn run(args: &HealthcheckArgs) -> ExitCode {
    match ask(args) {
        Ok((status, body)) => {
            println!("{}", body.trim());
            if status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("nilegate: {} does not answer: {error}", args.admin);
            ExitCode::FAILURE
        }
    }
}

fn ask(args: &HealthcheckArgs) -> std::io::Result<(u16, String)> {
    let limit = args.timeout.get();
    let mut stream = TcpStream::connect_timeout(&args.admin, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let path = if args.live { "/livez" } else { "/readyz" };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", args.admin)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer)?;
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let invalid = || std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer");
    match response.parse(&answer).map_err(|_| invalid())? {
        httparse::Status::Complete(head) => {
            let body = String::from_utf8_lossy(&answer[head..]).into_owned();
            Ok((response.code.ok_or_else(invalid)?, body))
        }
        httparse::Status::Partial => Err(invalid()),
    }
}
