//! The pace counts where calls arrive at Amazon: a connection that has to be made first does not bring two calls too close.

use std::{sync::Arc, time::Duration};

use amazon_sandbox::{Sandbox, Tls};
use stockroom::{
    config::{CaFile, Config, HttpUrl},
    gateway,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use crate::support::{TestGateway, config, keywords, local, search};

/// What a connection costs here: nearly the distance of two calls.
const CONNECTION_TIME: Duration = Duration::from_millis(900);

#[tokio::test]
async fn the_first_calls_of_an_account_and_those_after_a_silence_keep_their_distance_at_amazon_s_door() {
    let (tls, files) = (Tls::self_signed().unwrap(), tempfile::tempdir().unwrap());
    let ca_file = files.path().join("ca.pem");
    tls.write_ca(&ca_file).unwrap();
    // Amazon allows one call in six tenths of a second. The gateway makes one a second.
    let limits = amazon_sandbox::Options { calls_per_second: 1.6, tls: Some(tls), ..Default::default() };
    let amazon = Sandbox::start(local().await, limits).await.unwrap();
    let silence = Arc::new(Notify::new());
    let port = far_away(amazon.url().rsplit(':').next().unwrap().parse().unwrap(), Arc::clone(&silence)).await;
    let mut config: Config = config();
    config.accounts[0].calls_per_second = 1.0;
    config.accounts[0].endpoint = Some(HttpUrl::parse(&format!("https://127.0.0.1:{port}")).unwrap());
    config.accounts[0].ca_file = Some(CaFile::read(ca_file).unwrap());
    let gateway = TestGateway::over(gateway::build(&config).unwrap()).await;
    for words in [["lamp", "kettle", "novel"], ["guitar", "puzzle", "coffee"]] {
        let mut searches = JoinSet::new();
        for word in words {
            let mut client = gateway.search();
            searches.spawn(async move { client.search_products(search(keywords(word))).await });
        }
        let answers = searches.join_all().await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        // Amazon closes the connections of an account that has nothing to ask.
        silence.notify_waiters();
    }
    let statuses: Vec<u16> = amazon.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200; 6]);
}

/// A port from which every new connection to another one takes long. All connections end when it is notified.
async fn far_away(port: u16, silence: Arc<Notify>) -> u16 {
    let listener: TcpListener = local().await;
    let here = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let silence = Arc::clone(&silence);
            tokio::spawn(async move {
                tokio::time::sleep(CONNECTION_TIME).await;
                if let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await {
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = silence.notified() => {}
                    }
                }
            });
        }
    });
    here
}
