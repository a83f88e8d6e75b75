//! Checks the Rust client against live gateways; clients/conformance/run starts them.

use std::{collections::HashSet, env, error::Error, fs, process::ExitCode, time::Duration};

use stockroom_client::{Client, ClientTls, Code, Options, pb};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

type Outcome = Result<(), Box<dyn Error>>;

const ASINS: [&str; 3] = ["B0SBHEAD01", "B0SBHEAD02", "B0SBNOBODY"];

#[tokio::main]
async fn main() -> ExitCode {
    let outcomes = [
        ("search", search().await),
        ("pages", pages().await),
        ("batch", batch().await),
        ("compare", compare().await),
        ("refusal", refusal().await),
        ("busy", busy().await),
        ("deadline", deadline().await),
        ("cancel", cancel().await),
        ("token", token().await),
        ("tls", tls().await),
        ("restart", restart().await),
    ];
    for (name, outcome) in &outcomes {
        match outcome {
            Ok(()) => println!("ok {name}"),
            Err(why) => println!("FAILED {name}: {why}"),
        }
    }
    ExitCode::from(u8::from(outcomes.iter().any(|(_, outcome)| outcome.is_err())))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn connect(name: &str, options: Options) -> Result<Client, Box<dyn Error>> {
    Ok(Client::new(&variable(name), options)?)
}

fn query(words: &str) -> pb::SearchProductsRequest {
    let query = pb::SearchQuery { keywords: words.to_owned(), ..Default::default() };
    pb::SearchProductsRequest { query: Some(query), ..Default::default() }
}

fn expect(holds: bool, what: impl std::fmt::Debug) -> Outcome {
    if holds { Ok(()) } else { Err(format!("{what:?}").into()) }
}

async fn search() -> Outcome {
    for prefix in ["", "http://"] {
        let client = Client::new(&(prefix.to_owned() + &variable("STOCKROOM_SERVER")), Options::default())?;
        let found = client.search_products(query("wireless headphones")).await?;
        expect(found.products.len() == 10, found.products.len())?;
    }
    Ok(())
}

async fn pages() -> Outcome {
    let client = connect("STOCKROOM_SERVER", Options::default())?;
    let (mut asins, mut total) = (HashSet::new(), 0);
    let mut pages = client.search_pages(query("wireless headphones"));
    while let Some(page) = pages.next_page().await? {
        total = page.total_results;
        asins.extend(page.products.into_iter().filter_map(|entry| entry.product).map(|product| product.asin));
    }
    expect(total > 10 && asins.len() == usize::try_from(total)?.min(100), (asins.len(), total))
}

async fn batch() -> Outcome {
    use pb::product_outcome::Result::{Absence, Entry};
    let client = connect("STOCKROOM_SERVER", Options::default())?;
    let asins = ["B0SBHEAD01", "not an ASIN", "B0SBNOBODY"].map(str::to_owned).to_vec();
    let response = client.get_products(pb::GetProductsRequest { asins, ..Default::default() }).await?;
    let results: Vec<_> = response.outcomes.into_iter().filter_map(|outcome| outcome.result).collect();
    expect(matches!(results[..], [Entry(_), Absence(_), Absence(_)]), results)
}

async fn compare() -> Outcome {
    use pb::compare_products_response::Event::{Missing, Row, Summary};
    let client = connect("STOCKROOM_SERVER", Options::default())?;
    let asins = ASINS.map(str::to_owned).to_vec();
    let mut stream = client.compare_products(pb::CompareProductsRequest { asins, ..Default::default() }).await?;
    let (mut rows, mut missing, mut summaries) = (0, 0, 0);
    while let Some(message) = stream.message().await? {
        match message.event {
            Some(Row(_)) => rows += 1,
            Some(Missing(_)) => missing += 1,
            Some(Summary(_)) => summaries += 1,
            None => {}
        }
    }
    expect((rows, missing, summaries) == (2, 1, 1), (rows, missing, summaries))
}

async fn refusal() -> Outcome {
    let plain = connect("STOCKROOM_SERVER", Options::default())?;
    let mut request = query("lamp");
    request.query.get_or_insert_default().category = "no such category".to_owned();
    let invalid = plain.search_products(request).await.err().ok_or("it was answered")?;
    expect(invalid.code == Code::InvalidArgument && !invalid.request_id.is_empty(), &invalid)?;
    expect(invalid.known_reason() == Some(pb::ErrorReason::InvalidRequest), &invalid)?;
    expect(invalid.field_violations.iter().any(|violation| violation.field == "query.category"), &invalid)?;
    let spent = connect("STOCKROOM_SPENT_SERVER", Options::default())?;
    let exhausted = spent.search_products(query("lamp")).await.err().ok_or("it was answered")?;
    expect(exhausted.known_reason() == Some(pb::ErrorReason::DayBudgetSpent), &exhausted)?;
    expect(exhausted.retry_after.is_some_and(|delay| !delay.is_zero()), &exhausted)
}

/// A call that waits longer than its deadline allows is refused at once, and the retry policy obeys the pushback.
async fn busy() -> Outcome {
    let options = Options { deadline: Duration::from_secs(5), ..Options::default() };
    let client = connect("STOCKROOM_BUSY_SERVER", options)?;
    let began = Instant::now();
    let refused = client.search_products(query("lamp")).await.err().ok_or("it was answered")?;
    println!("refused after {} ms of 5 s", began.elapsed().as_millis());
    expect(refused.code == Code::Unavailable && refused.known_reason() == Some(pb::ErrorReason::WaitExceedsDeadline), &refused)
}

async fn deadline() -> Outcome {
    let options = Options { deadline: Duration::from_millis(300), ..Options::default() };
    let late = connect("STOCKROOM_SLOW_SERVER", options)?.search_products(query("lamp")).await;
    expect(late.as_ref().is_err_and(|error| error.code == Code::DeadlineExceeded), late.map(drop))
}

/// A dropped future cancels its call; the connection stays usable.
async fn cancel() -> Outcome {
    let client = connect("STOCKROOM_SLOW_SERVER", Options::default())?;
    let dropped = timeout(Duration::from_millis(100), client.search_products(query("kettle"))).await;
    expect(dropped.is_err(), "it was answered")?;
    client.get_status(pb::GetStatusRequest {}).await?;
    Ok(())
}

async fn token() -> Outcome {
    let options = Options { token: Some(variable("STOCKROOM_TOKEN").into()), ..Options::default() };
    connect("STOCKROOM_TOKEN_SERVER", options)?.search_products(query("lamp")).await?;
    let refused = connect("STOCKROOM_TOKEN_SERVER", Options::default())?.search_products(query("lamp")).await;
    expect(refused.as_ref().is_err_and(|error| error.code == Code::Unauthenticated), refused.map(drop))
}

async fn tls() -> Outcome {
    let ca_pem = Some(fs::read_to_string(variable("STOCKROOM_CA_FILE"))?);
    let tls = Some(ClientTls { ca_pem, ..ClientTls::default() });
    let options = Options { token: Some(variable("STOCKROOM_TOKEN").into()), tls, ..Options::default() };
    connect("STOCKROOM_TLS_SERVER", options)?.search_products(query("lamp")).await?;
    Ok(())
}

async fn restart() -> Outcome {
    let client = connect("STOCKROOM_RESTART_SERVER", Options::default())?;
    client.search_products(query("lamp")).await?;
    let restarted = tokio::spawn(request_restart());
    while !restarted.is_finished() {
        answered_or_unavailable(&client).await?;
        sleep(Duration::from_millis(20)).await;
    }
    restarted.await??;
    let until = Instant::now() + Duration::from_secs(15);
    while !answered_or_unavailable(&client).await? {
        expect(Instant::now() < until, "it does not answer again")?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Requests the restart over plain HTTP, and returns when the gateway listens again.
async fn request_restart() -> std::io::Result<()> {
    let url = variable("STOCKROOM_RESTART_URL");
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap_or_default();
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("GET /{path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

async fn answered_or_unavailable(client: &Client) -> Result<bool, Box<dyn Error>> {
    match client.search_products(query("lamp")).await {
        Ok(found) => Ok(!found.products.is_empty()),
        Err(error) if error.code == Code::Unavailable => Ok(false),
        Err(error) => Err(error.into()),
    }
}
