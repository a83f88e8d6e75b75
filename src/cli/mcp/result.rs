//! Results of tools: an answer as Markdown beside structured content, and a refusal that says what to do and when.

use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use serde_json::{Value, json};
use stockroom_client::{Code, Error};
use stockroom_proto::pb;

use crate::cli::{
    format,
    json::{AnswerMessage, JsonLayout, to_json},
    page::{Page, Style},
};

/// What a tool answers.
#[derive(Debug)]
pub(super) struct ToolAnswer {
    /// For people.
    pub(super) markdown: String,
    /// For programs: proto3 JSON.
    pub(super) structured: JsonObject,
}

impl ToolAnswer {
    /// A page and the response that it was made of.
    pub(super) fn of<M: AnswerMessage>(page: &Page, response: &M) -> Result<Self, Box<Error>> {
        let Value::Object(structured) = Self::json(response)? else { return Err(not_json("a message is no object")) };
        Ok(Self { markdown: page.render(Style::Markdown), structured })
    }

    pub(super) fn json<M: AnswerMessage>(message: &M) -> Result<Value, Box<Error>> {
        let text = to_json(message, JsonLayout::Line).map_err(not_json)?;
        serde_json::from_str(&text).map_err(not_json)
    }

    pub(super) fn json_list<M: AnswerMessage>(messages: &[M]) -> Result<Value, Box<Error>> {
        messages.iter().map(Self::json).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    /// Adds what a page that shows the products must say.
    pub(super) fn add_notices(&mut self, notices: &pb::Notices) -> Result<(), Box<Error>> {
        let texts = [&notices.disclosure, &notices.price_disclaimer, &notices.content_notice];
        let texts = texts.into_iter().filter(|text| !text.is_empty()).cloned().collect();
        let mut page = Page::default();
        page.heading("Show with these products").items(texts);
        self.markdown.push('\n');
        self.markdown.push_str(&page.render(Style::Markdown));
        self.structured.insert("notices".to_owned(), Self::json(notices)?);
        Ok(())
    }

    pub(super) fn into_result(self) -> CallToolResult {
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.markdown)]);
        result.structured_content = Some(Value::Object(self.structured));
        result
    }
}

/// A refused or failed call. It is a result and no error of the protocol, so that the agent reads it.
pub(super) fn refusal(error: &Error) -> CallToolResult {
    let code = code_name(error.code);
    let what_next = what_next(error);
    let violations = error.field_violations.iter().map(|fault| (argument(&fault.field), fault.description.as_str()));
    let violations: Vec<(&str, &str)> = violations.collect();

    let mut page = Page::default();
    page.heading(if error.reason.is_empty() { code.clone() } else { format!("{code} {}", error.reason) });
    page.line(error.message.clone());
    if !violations.is_empty() {
        page.items(violations.iter().map(|(field, fault)| format!("{field}: {fault}")).collect());
    }
    page.line(what_next.clone());
    if !error.request_id.is_empty() {
        page.line(format!("Request id, for the operator of the gateway: {}", error.request_id));
    }
    let fields: Vec<Value> =
        violations.iter().map(|(field, fault)| json!({ "field": field, "description": fault })).collect();
    let structured = json!({ "error": {
        "code": code,
        "reason": error.reason,
        "message": error.message,
        "fields": fields,
        "metadata": error.metadata,
        "retryAfterSeconds": error.retry_after.map(|wait| wait.as_secs_f64()),
        "whatNext": what_next,
        "requestId": error.request_id,
    }});
    let mut result = CallToolResult::error(vec![ContentBlock::text(page.render(Style::Markdown))]);
    result.structured_content = Some(structured);
    result
}

/// The next step, and when.
fn what_next(error: &Error) -> String {
    let is_from_gateway = !error.reason.is_empty();
    if let Some(wait) = error.retry_after {
        let cached = match error.code {
            Code::ResourceExhausted => " Until then cache_only answers what the cache has.",
            _ => "",
        };
        return format!("Try again in {}, and not before.{cached}", format::duration(wait));
    }
    match error.code {
        Code::InvalidArgument => "Correct the arguments and call again. The call cost nothing.".to_owned(),
        Code::NotFound if error.reason == "NOT_CACHED" => {
            "Call again without cache_only, which may cost calls to Amazon.".to_owned()
        }
        Code::NotFound => "Do not repeat the call. Search for the product instead.".to_owned(),
        Code::DeadlineExceeded => "Call again once: the gateway caches the answer when it arrives.".to_owned(),
        Code::Unauthenticated => {
            "Do not repeat the call. Whoever runs this server must give it the token of a caller of the \
                                  gateway: STOCKROOM_TOKEN or --token-file."
                .to_owned()
        }
        Code::PermissionDenied => {
            "Do not repeat the call. The operator of the gateway decides what this caller may use.".to_owned()
        }
        Code::FailedPrecondition => {
            let step = error.metadata.get("what_next").map_or(String::new(), |step| format!(": {step}"));
            format!("Do not repeat the call. The operator of the gateway must act{step}")
        }
        Code::Unavailable if is_from_gateway => "Call again in a few seconds.".to_owned(),
        _ if !is_from_gateway => {
            "Do not repeat the call before a gateway runs at this address. Whoever runs this server \
                                  can start one (`stockroom serve --sandbox` for a try) or name another with \
                                  STOCKROOM_SERVER or --server."
                .to_owned()
        }
        _ => "Do not repeat the call. Give the request id to the operator of the gateway.".to_owned(),
    }
}

/// A field of the request as the tools name it: the query and the options have no level of their own there.
fn argument(field: &str) -> &str {
    match field.strip_prefix("query.").or_else(|| field.strip_prefix("options.")).unwrap_or(field) {
        "max_age" => "max_age_seconds",
        argument => argument,
    }
}

/// The name of a code as gRPC writes it.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

fn not_json(why: impl ToString) -> Box<Error> {
    Box::new(Error {
        code: Code::Internal,
        message: format!("the answer cannot be written as JSON: {}", why.to_string()),
        reason: "UNDECODABLE".to_owned(),
        metadata: Default::default(),
        field_violations: Vec::new(),
        retry_after: None,
        request_id: String::new(),
    })
}
