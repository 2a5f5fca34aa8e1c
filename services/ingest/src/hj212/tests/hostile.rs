//! Loggers that send nothing but faults, or do not read their answers: that costs themselves their connection, and nobody else
//! anything.

use super::*;

/// More answers than the buffers of a socket take, and no reader for them, until some wait.
async fn unread(house: &House, mn: &str) -> Client {
    let mut client = house.client().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    client.socket = socket.connect(house.address.parse().unwrap()).await.unwrap();
    let heartbeats = message(mn, 9015, "").to_bytes().repeat(100);
    let flood = async { while client.socket.write_all(&heartbeats).await.is_ok() {} };
    let wait = async {
        while house.counts().answers_waited.get() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = flood => {}
        () = wait => {}
    }
    client
}

#[tokio::test]
async fn who_does_not_read_its_answers_keeps_nobody_from_being_read() {
    let options =
        Options { max_reads: 1, write_time: std::time::Duration::from_secs(3600), ..Options::default() };
    let house = house_with(options, Arc::new(AnyPassword)).await;
    let _slow = unread(&house, AIR).await;
    let mut other = house.client().await;
    other.send(message(WATER, 9015, "").to_bytes()).await;
    assert_eq!(other.answer().await.unwrap().1, 9013, "the one read that there may be is free");
}

#[tokio::test]
async fn who_does_not_read_its_answers_is_closed_when_too_many_wait() {
    let options = Options {
        max_unread_bytes: 100,
        write_time: std::time::Duration::from_secs(3600),
        ..Options::default()
    };
    let house = house_with(options, Arc::new(AnyPassword)).await;
    let _slow = unread(&house, AIR).await;
    house.closed("slow").await;
}

#[tokio::test]
async fn a_thousand_faults_make_few_records_and_are_all_counted() {
    let house = house().await;
    let mut client = house.client().await;
    client.send([&b"##9999".repeat(1000)[..], &message(AIR, 9015, "").to_bytes()].concat()).await;
    assert_eq!(client.answer().await.unwrap().1, 9013);
    assert_eq!(house.fault("too_long"), 1000);
    let rejected = house.rejected();
    assert!(rejected.len() <= 50, "{}", rejected.len());
    assert_eq!(rejected.iter().map(|record| record.count).sum::<u64>(), 1000);
}
