//! The protocol's side of the tools: the list of them, the dispatch of a call by its name, and cancellation.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, JsonObject, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use stockroom_client::Client;

use super::{
    arguments::{
        BrowseArguments, CompareArguments, DealsArguments, ProductArguments, SearchArguments, StatusArguments,
        TrendingArguments,
    },
    tools::{self, AgentTool},
};

/// What an agent must know beside the descriptions of the tools.
const INSTRUCTIONS: &str = "\
Products of Amazon, through a Stockroom gateway.

- Calls to Amazon are scarce: the whole company shares about one a second. Each answer says what it cost; `estimate` says \
it beforehand. An answer from the cache costs nothing: fetch what you have seen by its ASIN, and ask for up to 10 ASINs at \
once, which cost one call.
- Prices are as old as the answer says. Where it gives a time beside them, show that time with the prices. `See price in \
cart` means that the price must not be shown.
- Wherever you show products to people, show the notices of the answer and link to the product's page as given.
- A refused call says what to do and when. Do not repeat a call that says so, or before the time that it names.";

/// The tools over one client. A clone shares its connection.
#[derive(Clone, Debug)]
pub(super) struct ToolServer {
    client: Client,
    tools: Arc<[Tool]>,
}

/// The tools, each by the type of its arguments.
macro_rules! tools {
    ($($arguments:ident),* $(,)?) => {
        fn all() -> Arc<[Tool]> {
            [$(tools::describe::<$arguments>()),*].into()
        }

        /// The result of a call; `None` where no tool has the name.
        async fn call(client: &Client, tool: &Tool, arguments: JsonObject) -> Option<CallToolResult> {
            match &*tool.name {
                $($arguments::NAME => Some(tools::call::<$arguments>(client, tool, arguments).await),)*
                _ => None,
            }
        }
    };
}

tools!(
    SearchArguments,
    ProductArguments,
    CompareArguments,
    BrowseArguments,
    TrendingArguments,
    DealsArguments,
    StatusArguments,
);

impl ToolServer {
    pub(super) fn new(client: Client) -> Self {
        Self { client, tools: all() }
    }

    fn unknown(&self, name: &str) -> ErrorData {
        let names: Vec<&str> = self.tools.iter().map(|tool| &*tool.name).collect();
        ErrorData::invalid_params(format!("there is no tool {name:?}; the tools are {}", names.join(", ")), None)
    }
}

impl ServerHandler for ToolServer {
    fn get_info(&self) -> ServerConfig {
        let version = env!("CARGO_PKG_VERSION");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("stockroom", version).with_title("Stockroom"))
            .with_instructions(INSTRUCTIONS)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let unknown = || self.unknown(&request.name);
        let tool = self.tools.iter().find(|tool| tool.name == request.name).ok_or_else(unknown)?;
        let call = Box::pin(call(&self.client, tool, request.arguments.clone().unwrap_or_default()));
        // Cancel-safe: a call that is dropped is cancelled at the gateway, too.
        let result = tokio::select! {
            result = call => result,
            () = context.ct.cancelled() => return Err(ErrorData::internal_error("the client cancelled the call", None)),
        };
        result.map(Into::into).ok_or_else(unknown)
    }
}
