//! `stockroom mcp` as an agent's program starts it: each tool, each refusal, and both transports.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Gateway, Server, ended, stockroom};

const TOKEN: &str = "a-token-of-the-agent";

/// A client at the stdin and stdout of the process.
struct Session {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    requests: u64,
}

impl Session {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut session = Self { process, stdin, stdout, requests: 0 };
        let answer = session.request("initialize", &initialize());
        assert_eq!(answer["result"]["serverInfo"]["name"], "stockroom", "{answer}");
        assert!(answer["result"]["instructions"].as_str().unwrap().contains("notices"), "{answer}");
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        session
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").unwrap();
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.requests += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.requests, "method": method, "params": params }));
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not of the protocol: {line:?}"));
        assert_eq!(answer["id"], self.requests, "{answer}");
        assert!(!line.contains(TOKEN), "{line}");
        answer
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> ToolResult {
        ToolResult::of(self.request("tools/call", &json!({ "name": tool, "arguments": arguments })))
    }

    /// Closes stdin, and returns the exit code and what stands in stderr.
    fn end(self) -> (Option<i32>, String) {
        drop(self.stdin);
        let output = self.process.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// The result of a call: the text for people, and the content for programs.
#[derive(Debug)]
struct ToolResult {
    text: String,
    content: Value,
    is_error: bool,
}

impl ToolResult {
    fn of(mut answer: Value) -> Self {
        let result = answer["result"].take();
        assert!(result.is_object(), "{answer}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        let is_error = result["isError"].as_bool().unwrap_or_default();
        Self { text, content: result["structuredContent"].clone(), is_error }
    }
}

fn initialize() -> Value {
    json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    })
}

fn with_gateway() -> (Gateway, Session) {
    let gateway = Gateway::start();
    let session = Session::start(&mut gateway.command(&["mcp"]));
    (gateway, session)
}

#[test]
fn every_tool_is_listed_with_a_schema_that_states_limits_and_categories() {
    let (gateway, mut session) = with_gateway();
    let answer = session.request("tools/list", &json!({}));
    let tools = answer["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["search", "product", "compare", "browse", "trending", "deals", "status"]);
    for tool in tools {
        let schema = &tool["inputSchema"];
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)), "{tool}");
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
        let described =
            schema["properties"].as_object().unwrap().values().all(|field| field["description"].is_string());
        assert!(described && tool["description"].is_string(), "{tool}");
        assert!(!schema.to_string().contains("null"), "{tool}");
    }
    let required = tools.iter().map(|tool| tool["inputSchema"]["required"].clone());
    let (asins, ids) = (json!(["asins"]), json!(["ids"]));
    assert!(required.eq([Value::Null, asins.clone(), asins, ids, Value::Null, Value::Null, Value::Null]));
    let field = |tool: usize, name: &str, key: &str| tools[tool]["inputSchema"]["properties"][name][key].clone();
    assert_eq!((field(0, "page_size", "minimum"), field(0, "page_size", "maximum")), (json!(1), json!(100)));
    assert_eq!((field(0, "min_rating", "minimum"), field(0, "min_rating", "maximum")), (json!(1.0), json!(5.0)));
    assert_eq!(field(0, "keywords", "maxLength"), 1000);
    assert_eq!((field(1, "asins", "minItems"), field(1, "asins", "maxItems")), (json!(1), json!(100)));
    assert_eq!((field(2, "asins", "minItems"), field(2, "asins", "maxItems")), (json!(2), json!(10)));
    assert_eq!((field(3, "ids", "maxItems"), field(3, "depth", "maximum")), (json!(10), json!(3)));
    assert_eq!((field(4, "limit", "maximum"), field(5, "limit", "maximum")), (json!(50), json!(50)));
    let listed: Value = serde_json::from_str(&gateway.run(&["categories", "--json"]).stdout).unwrap();
    for tool in [0, 4, 5] {
        let words = field(tool, "category", "description");
        for category in listed["categories"].as_array().unwrap() {
            let name = category["name"].as_str().unwrap();
            assert!(words.as_str().unwrap().contains(name), "{name} is missing in {words}");
        }
    }
}

#[test]
fn every_tool_answers_with_cost_age_and_notices() {
    let (_gateway, mut session) = with_gateway();
    let cases = [
        (
            "search",
            json!({ "keywords": "lamp", "max_price": "30", "sort": "price-low", "page_size": 3 }),
            "/products/0/product/asin",
        ),
        (
            "search",
            json!({ "category": "headphones", "delivery_flags": ["prime"], "min_rating": 4 }),
            "/products/0/product/asin",
        ),
        ("product", json!({ "asins": ["B0SBHEAD01", "B0SBNOBODY"] }), "/outcomes/0/entry/product/asin"),
        ("product", json!({ "asins": ["B0SBPARENT"], "variations": true }), "/variations/0/product/asin"),
        ("compare", json!({ "asins": ["B0SBHEAD02", "B0SBHEAD01"] }), "/summary/best/0/value"),
        ("browse", json!({ "ids": ["9000010000"] }), "/outcomes/0/node/displayName"),
        ("trending", json!({ "category": "headphones", "limit": 3 }), "/products/0/product/asin"),
        ("deals", json!({ "max_price": 500, "marketplace": "US", "max_age_seconds": 600 }), "/products/0/product/asin"),
    ];
    for (tool, arguments, place) in cases {
        let answer = session.call(tool, &arguments);
        assert!(!answer.is_error, "{tool} {arguments}: {answer:?}");
        assert!(answer.content.pointer(place).is_some(), "{tool} {arguments}: {}", answer.content);
        assert!(answer.text.contains("to Amazon, ") && answer.text.contains("from cache"), "{}", answer.text);
        assert!(answer.text.contains("As an Amazon Associate I earn"), "{}", answer.text);
        assert!(answer.content["notices"]["priceDisclaimer"].as_str().unwrap().contains("Amazon.com"));
        if ["search", "compare", "trending", "deals"].contains(&tool) {
            assert!(answer.text.contains("fetched just now"), "{}", answer.text);
        }
    }
    let status = session.call("status", &json!({}));
    assert!(!status.is_error && status.content["accounts"][0]["day"]["left"].is_number(), "{status:?}");
    assert!(status.text.contains("## Account sandbox"), "{}", status.text);
    assert_eq!(session.end(), (Some(0), String::new()));
}

#[test]
fn a_comparison_keeps_the_order_of_the_request_and_names_what_is_missing() {
    let (_gateway, mut session) = with_gateway();
    let _cached = session.call("product", &json!({ "asins": ["B0SBMAP001"] }));
    let answer = session.call("compare", &json!({ "asins": ["B0SBHEAD02", "B0SBNOBODY", "B0SBMAP001"] }));
    let asins = ["rows", "missing"].map(|list| {
        let list = answer.content[list].as_array().unwrap();
        list.iter().map(|row| row["asin"].as_str().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(asins, [vec!["B0SBHEAD02", "B0SBMAP001"], vec!["B0SBNOBODY"]]);
    assert!(answer.content["rows"][0]["entry"]["freshness"]["fetchTime"].is_string(), "{}", answer.content);
    assert!(answer.content["rows"][0]["entry"]["product"].is_null(), "{}", answer.content);
    // The price of this one may not be shown.
    assert!(answer.text.contains("See price in cart") && answer.content["rows"][1]["price"].is_null());
}

#[test]
fn an_estimate_costs_nothing_and_the_next_page_is_named() {
    let (_gateway, mut session) = with_gateway();
    for (tool, arguments) in [
        ("search", json!({ "keywords": "lamp", "estimate": true })),
        ("product", json!({ "asins": ["B0SBHEAD01"], "estimate": true })),
        ("compare", json!({ "asins": ["B0SBHEAD01", "B0SBHEAD02"], "estimate": true })),
        ("deals", json!({ "estimate": true })),
    ] {
        let answer = session.call(tool, &arguments);
        assert!(answer.text.contains("would make") && answer.text.contains("nothing was spent"), "{}", answer.text);
    }
    let first = session.call("search", &json!({ "keywords": "lamp" }));
    let token = first.content["nextPageToken"].as_str().unwrap();
    assert!(first.text.contains(&format!("page_token {token}")), "{}", first.text);
    let second = session.call("search", &json!({ "keywords": "lamp", "page_token": token }));
    assert_ne!(second.content.pointer("/products/0/product/asin"), first.content.pointer("/products/0/product/asin"));
    assert!(!second.is_error, "{second:?}");
}

#[test]
fn faulty_arguments_are_refused_by_their_names_with_what_to_do() {
    let (_gateway, mut session) = with_gateway();
    let cases = [
        (
            "search",
            json!({ "keywords": "lamp", "colour": "red", "size": 3 }),
            "INVALID_REQUEST",
            vec!["colour", "size"],
        ),
        ("search", json!({ "keywords": "lamp", "page_size": "ten" }), "INVALID_REQUEST", vec!["page_size"]),
        ("search", json!({ "keywords": "lamp", "max_price": "$5" }), "INVALID_REQUEST", vec!["max_price"]),
        (
            "search",
            json!({ "keywords": "lamp", "delivery_flags": ["prime", "drone"] }),
            "INVALID_REQUEST",
            vec!["delivery_flags[1]"],
        ),
        (
            "search",
            json!({ "keywords": "lamp", "page_size": 101, "min_rating": 7 }),
            "INVALID_REQUEST",
            vec!["min_rating", "page_size"],
        ),
        ("search", json!({}), "INVALID_REQUEST", vec!["query"]),
        ("search", json!({ "keywords": "lamp", "marketplace": "XX" }), "INVALID_REQUEST", vec!["marketplace"]),
        (
            "product",
            json!({ "asins": ["B0SBHEAD01", "B0SBHEAD02"], "variations": true }),
            "INVALID_REQUEST",
            vec!["asins"],
        ),
        ("product", json!({}), "INVALID_REQUEST", vec!["arguments"]),
        ("compare", json!({ "asins": ["B0SBHEAD01", "B0SBHEAD01"] }), "INVALID_REQUEST", vec!["asins[1]"]),
        ("browse", json!({ "ids": ["lamps"], "depth": 9 }), "INVALID_REQUEST", vec!["ids[0]", "depth"]),
        ("trending", json!({ "category": "hedphones" }), "INVALID_REQUEST", vec!["category"]),
        (
            "deals",
            json!({ "limit": 51, "min_saving_percent": 0 }),
            "INVALID_REQUEST",
            vec!["min_saving_percent", "limit"],
        ),
        ("status", json!({ "verbose": true }), "INVALID_REQUEST", vec!["verbose"]),
    ];
    for (tool, arguments, reason, fields) in cases {
        let answer = session.call(tool, &arguments);
        let error = &answer.content["error"];
        assert!(answer.is_error && error["reason"] == reason, "{tool} {arguments}: {answer:?}");
        assert_eq!(error["code"], "INVALID_ARGUMENT");
        let named = error["fields"].as_array().unwrap().iter().map(|fault| fault["field"].as_str().unwrap());
        let named: Vec<&str> = named.collect();
        assert_eq!(named, fields, "{tool} {arguments}: {error}");
        assert!(fields.iter().all(|field| answer.text.contains(&field.replace('[', "\\["))), "{}", answer.text);
        assert!(answer.text.contains("Correct the arguments"), "{}", answer.text);
    }
    let unknown = session.call("trending", &json!({ "category": "hedphones" }));
    assert!(unknown.text.contains("did you mean headphones"), "{}", unknown.text);
    let uncached = session.call("search", &json!({ "keywords": "never asked before", "cache_only": true }));
    assert_eq!((uncached.is_error, &uncached.content["error"]["reason"]), (true, &json!("NOT_CACHED")));
    assert!(uncached.text.contains("without cache_only"), "{}", uncached.text);
    // One bad ASIN of several is no failure of the call.
    let absent = session.call("product", &json!({ "asins": ["nonsense", "B0SBHEAD01"] }));
    assert!(!absent.is_error && absent.text.contains("not an ASIN"), "{}", absent.text);
    // A tool that does not exist is a mistake of the program and not of the agent.
    let answer = session.request("tools/call", &json!({ "name": "buy", "arguments": {} }));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("the tools are search, product"), "{answer}");
}

#[test]
fn a_call_without_rights_or_budget_says_who_must_act_and_when() {
    let callers = [("STOCKROOM_CALLERS__AGENT__TOKEN", TOKEN), ("STOCKROOM_CALLERS__AGENT__CALLS_PER_DAY", "1")];
    let gateway = Gateway::with(&["--sandbox"], &callers);
    let mut stranger = Session::start(&mut gateway.command(&["mcp"]));
    let answer = stranger.call("search", &json!({ "keywords": "lamp" }));
    let error = &answer.content["error"];
    assert!(answer.is_error, "{answer:?}");
    assert_eq!((&error["code"], &error["reason"]), (&json!("UNAUTHENTICATED"), &json!("CALLER_UNKNOWN")));
    assert!(answer.text.contains("Do not repeat") && answer.text.contains("STOCKROOM_TOKEN"), "{}", answer.text);

    let mut agent = Session::start(gateway.command(&["mcp"]).env("STOCKROOM_TOKEN", TOKEN));
    let answer = agent.call("status", &json!({}));
    assert_eq!(answer.content["error"]["reason"], "NOT_AN_ADMIN", "{answer:?}");
    assert!(!agent.call("search", &json!({ "keywords": "lamp" })).is_error);
    let answer = agent.call("search", &json!({ "keywords": "desk" }));
    let error = &answer.content["error"];
    assert_eq!((&error["code"], &error["reason"]), (&json!("RESOURCE_EXHAUSTED"), &json!("CALLER_SHARE_SPENT")));
    assert!(error["retryAfterSeconds"].as_f64().unwrap() > 3600.0, "{error}");
    assert!(answer.text.contains("Try again in 1d") && answer.text.contains("cache_only"), "{}", answer.text);
    let id = error["requestId"].as_str().unwrap();
    assert!(id.len() == 36 && answer.text.contains(id), "{}", answer.text);
    // What the cache has still costs nothing.
    assert!(!agent.call("search", &json!({ "keywords": "lamp" })).is_error);
    assert_eq!(agent.end(), (Some(0), String::new()));
}

#[test]
fn where_no_gateway_answers_the_tools_are_listed_and_each_call_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut session =
        Session::start(stockroom(folder.path()).args(["mcp"]).env("STOCKROOM_SERVER", "http://127.0.0.1:1"));
    assert_eq!(session.request("tools/list", &json!({}))["result"]["tools"].as_array().unwrap().len(), 7);
    for (tool, arguments) in [("search", json!({ "keywords": "lamp" })), ("status", json!({}))] {
        let answer = session.call(tool, &arguments);
        assert!(answer.is_error && answer.content["error"]["code"] == "UNAVAILABLE", "{answer:?}");
        assert!(answer.text.contains("no gateway answers at http://127.0.0.1:1"), "{}", answer.text);
        assert!(answer.text.contains("STOCKROOM_SERVER"), "{}", answer.text);
    }
    assert_eq!(session.end(), (Some(0), String::new()));
}

#[tokio::test]
async fn over_http_only_this_machine_is_answered() {
    let gateway = Gateway::start();
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["mcp", "--listen", "127.0.0.1:0"];
    let mut server = Server::start(folder, &arguments, &[("STOCKROOM_SERVER", &gateway.url)]);
    let greeting = server.greeting("listening on ");
    let url = greeting.trim_end().rsplit(' ').next().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/mcp"), "{greeting}");

    let client = Client::new();
    let post = |message: Value| {
        let request = client.post(url).header(header::ACCEPT, "application/json, text/event-stream");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        request.header("mcp-protocol-version", "2025-06-18").body(message.to_string())
    };
    let message =
        |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let list = || post(message("tools/list", json!({})));

    let answer = post(message("initialize", initialize())).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = list().send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 7, "{answer}");
    let call = message("tools/call", json!({ "name": "product", "arguments": { "asins": ["B0SBHEAD01"] } }));
    let found = post(call).send().await.unwrap().text().await.unwrap();
    let found = ToolResult::of(serde_json::from_str(&found).unwrap());
    assert!(found.text.contains("Marlowe") && !found.is_error, "{found:?}");

    for (name, value, status) in [
        ("host", "attacker.example", StatusCode::FORBIDDEN),
        ("host", "attacker.example:80", StatusCode::FORBIDDEN),
        ("origin", "http://attacker.example", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("host", "localhost:1", StatusCode::OK),
        ("origin", "http://localhost:6274", StatusCode::OK),
    ] {
        let answer = list().header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), status, "{name}: {value}");
    }
    assert_eq!(client.get(url).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.get(url.replace("/mcp", "/")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let long = message("tools/list", json!({ "cursor": "x".repeat(600 * 1024) }));
    assert_eq!(post(long).send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ended = ended(stockroom(folder.path()).args(["mcp", "--listen", "0.0.0.0:8765"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("must be a loopback address"), "{}", ended.stderr);
}
