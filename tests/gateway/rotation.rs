//! Rotating credentials while calls are under way: none is lost, and a wrong configuration changes nothing.

use amazon_sandbox::examples;
use stockroom_proto::pb::{self, product_service_client::ProductServiceClient};
use tonic::{Code, transport::Channel};

use crate::{
    program::{ConfigFile, Program},
    secrecy::account,
    support::{Protocol, failure, sandbox, soon},
};

both_protocols!(new_credentials_are_taken_at_a_hangup_and_no_call_is_lost, a_wrong_configuration_changes_nothing);

async fn get_product(channel: &Channel, asin: &str) -> Result<tonic::Response<pb::GetProductResponse>, tonic::Status> {
    let request = pb::GetProductRequest { asin: asin.to_owned(), options: None };
    soon(ProductServiceClient::new(channel.clone()).get_product(request)).await
}

async fn new_credentials_are_taken_at_a_hangup_and_no_call_is_lost(protocol: Protocol) {
    let sandbox = sandbox().await;
    let config = ConfigFile::new(&account(protocol, &sandbox.url(), "wrong"));
    let mut program = Program::serve(&config, "info", &[]).await;
    let channel = program.channel().await;
    let (code, ..) = failure(get_product(&channel, examples::DEAL).await);
    assert_eq!(code, Code::FailedPrecondition, "the secret is wrong");

    config.write(&account(protocol, &sandbox.url(), "right"));
    program.hang_up().await;
    program.logged("in effect now").await;
    get_product(&channel, examples::DEAL).await.expect("the new secret is right");

    let hold = sandbox.hold();
    let waiting = {
        let channel = channel.clone();
        tokio::spawn(async move { get_product(&channel, examples::FREE).await })
    };
    soon(sandbox.arrived(sandbox.calls().len() + 1)).await;
    config.write(&account(protocol, &sandbox.url(), "wrong").replace("calls_per_second = 10", "calls_per_second = 5"));
    program.hang_up().await;
    program.logged("accounts.main.calls_per_second").await;
    hold.release();
    soon(waiting).await.unwrap().expect("a call under way keeps what it began with");
    failure(get_product(&channel, examples::BOOK).await);

    let log = program.stopped().await;
    assert!(log.contains("takes effect after a restart"), "{log}");
    assert_eq!(log.matches("in effect now").count(), 2, "{log}");
}

async fn a_wrong_configuration_changes_nothing(protocol: Protocol) {
    let sandbox = sandbox().await;
    let right = account(protocol, &sandbox.url(), "right");
    let config = ConfigFile::new(&right);
    let mut program = Program::serve(&config, "info", &[]).await;
    let channel = program.channel().await;
    get_product(&channel, examples::DEAL).await.unwrap();
    config.write("this is no TOML");
    program.hang_up().await;
    program.logged("the running one stays").await;
    get_product(&channel, examples::FREE).await.expect("the credentials of before are still there");
    config.write(&right);
    program.hang_up().await;
    program.logged("configuration read again").await;
    assert!(!program.stopped().await.contains("in effect now"), "nothing had changed");
}
