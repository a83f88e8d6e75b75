//! What each tool calls, and the answer that it makes of the response: the page that the command line prints, as Markdown,
//! and the response as proto3 JSON.
//!
//! Lists leave the pictures and categories of their products out, and a comparison leaves the whole products out: the tool
//! `product` answers those from the cache.

use std::{sync::Arc, time::SystemTime};

use futures_util::try_join;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde::de::DeserializeOwned;
use serde_json::Value;
use stockroom_client::{Client, Code, Error, FieldViolation};
use stockroom_proto::pb::{self, ProductPart, compare_products_response::Event};

use super::{
    arguments::{
        BrowseArguments, CompareArguments, DealsArguments, ProductArguments, ReadArguments, SearchArguments,
        StatusArguments, TrendingArguments,
    },
    result::{ToolAnswer, refusal},
};
use crate::cli::{
    browse, browse_lists, compare, format,
    page::{Page, Style},
    product, product_table, status,
};
use amazon_catalog::Marketplace;

/// The parts of the products of a list.
const LISTED: [ProductPart; 3] = [ProductPart::Info, ProductPart::Offers, ProductPart::Reviews];

/// A tool: the type of its arguments.
pub(super) trait AgentTool: DeserializeOwned + JsonSchema {
    const NAME: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    /// Whether it has the arguments of a read and its answers need the notices of Amazon's terms.
    const READS: bool = true;

    /// Calls the gateway.
    fn call(self, client: &Client, read: &ReadArguments)
    -> impl Future<Output = Result<ToolAnswer, Box<Error>>> + Send;
}

/// The tool as clients list it.
pub(super) fn describe<T: AgentTool>() -> Tool {
    let mut schema = schema_of::<T>();
    let properties = schema.entry("properties").or_insert_with(|| Value::Object(JsonObject::new()));
    if T::READS
        && let Value::Object(properties) = properties
        && let Some(Value::Object(read)) = schema_of::<ReadArguments>().remove("properties")
    {
        properties.extend(read);
    }
    let hints = ToolAnnotations::with_title(T::TITLE).read_only(true).idempotent(true).open_world(T::READS);
    Tool::new(T::NAME, T::DESCRIPTION, Arc::new(schema)).with_title(T::TITLE).with_annotations(hints)
}

fn schema_of<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.transforms.push(Box::new(RecursiveTransform(without_null)));
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The name of the type says nothing to an agent.
    schema.remove("title");
    match schema.to_value() {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    }
}

/// Makes the schema of an optional argument that of the argument itself. `null` is accepted all the same, but where a schema
/// has several types clients pass numbers as texts.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }
        }
    }
}

/// The result of a call with these arguments: an answer, or a refusal that says what to do.
pub(super) async fn call<T: AgentTool>(client: &Client, tool: &Tool, arguments: JsonObject) -> CallToolResult {
    match answer::<T>(client, tool, arguments).await {
        Ok(answer) => answer.into_result(),
        Err(error) => refusal(&error),
    }
}

async fn answer<T: AgentTool>(client: &Client, tool: &Tool, arguments: JsonObject) -> Result<ToolAnswer, Box<Error>> {
    let (arguments, read) = parse::<T>(tool, arguments)?;
    let (mut answer, notices) = try_join!(arguments.call(client, &read), notices::<T>(client, &read))?;
    if let Some(notices) = notices {
        answer.add_notices(&notices)?;
    }
    Ok(answer)
}

/// The notices that must be shown with the answer; none where it has no products.
async fn notices<T: AgentTool>(client: &Client, read: &ReadArguments) -> Result<Option<pb::Notices>, Box<Error>> {
    if !T::READS || read.is_estimate() {
        return Ok(None);
    }
    let mut marketplaces = client.list_marketplaces(pb::ListMarketplacesRequest {}).await?.marketplaces.into_iter();
    let wanted = read.marketplace.as_deref().filter(|name| !name.is_empty());
    let marketplace = match wanted.map(Marketplace::parse) {
        // The gateway's default is the first.
        None => marketplaces.next(),
        Some(wanted) => marketplaces.find(|served| wanted.is_some_and(|wanted| wanted.code() == served.code)),
    };
    Ok(marketplace.and_then(|marketplace| marketplace.notices))
}

/// The arguments by their types. Every unknown name is a fault, and each fault names its argument.
fn parse<T: AgentTool>(tool: &Tool, mut arguments: JsonObject) -> Result<(T, ReadArguments), Box<Error>> {
    let known = tool.input_schema.get("properties").and_then(Value::as_object);
    let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
    let unknown: Vec<FieldViolation> = arguments
        .keys()
        .filter(|name| !is_known(name))
        .map(|name| {
            let names: Vec<&str> = known.into_iter().flat_map(|known| known.keys()).map(String::as_str).collect();
            let names =
                if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
            FieldViolation { field: name.clone(), description: format!("is no argument of {}; {names}", T::NAME) }
        })
        .collect();
    if !unknown.is_empty() {
        return Err(invalid(unknown));
    }
    let mut read = JsonObject::new();
    if T::READS
        && let Some(Value::Object(names)) = schema_of::<ReadArguments>().remove("properties")
    {
        read.extend(names.keys().filter_map(|name| arguments.remove_entry(name)));
    }
    Ok((typed(arguments)?, typed(read)?))
}

fn typed<A: DeserializeOwned>(arguments: JsonObject) -> Result<A, Box<Error>> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let field = error.path().to_string();
        let field = if field == "." { "arguments".to_owned() } else { field };
        invalid(vec![FieldViolation { field, description: error.into_inner().to_string() }])
    })
}

/// The error that the gateway would answer for such fields. It was not asked.
fn invalid(field_violations: Vec<FieldViolation>) -> Box<Error> {
    Box::new(Error {
        code: Code::InvalidArgument,
        message: "the arguments are invalid".to_owned(),
        reason: "INVALID_REQUEST".to_owned(),
        metadata: Default::default(),
        field_violations,
        retry_after: None,
        request_id: String::new(),
    })
}

impl AgentTool for SearchArguments {
    const NAME: &'static str = "search";
    const TITLE: &'static str = "Search products";
    const DESCRIPTION: &'static str = "Search Amazon's catalog by words and filters, one page at a time. Needs keywords or \
        another of title, author, brand, actor, artist, category, browse_node_id, min_rating and min_saving_percent. Costs a \
        call to Amazon for every ten products, or nothing where the cache has the page. Amazon shows at most 100 products of \
        a search.";

    async fn call(self, client: &Client, read: &ReadArguments) -> Result<ToolAnswer, Box<Error>> {
        let flags = self.delivery_flags.unwrap_or_default().into_iter().map(|flag| pb::DeliveryFlag::from(flag).into());
        let mut query = pb::SearchQuery {
            keywords: self.keywords.unwrap_or_default(),
            title: self.title.unwrap_or_default(),
            author: self.author.unwrap_or_default(),
            brand: self.brand.unwrap_or_default(),
            actor: self.actor.unwrap_or_default(),
            artist: self.artist.unwrap_or_default(),
            category: self.category.unwrap_or_default(),
            browse_node_id: self.browse_node_id.unwrap_or_default(),
            min_price: self.min_price.map(|price| price.0),
            max_price: self.max_price.map(|price| price.0),
            min_rating: self.min_rating,
            delivery_flags: flags.collect(),
            min_saving_percent: self.min_saving_percent,
            ..Default::default()
        };
        query.set_condition(self.condition.map_or(pb::Condition::Unspecified, Into::into));
        query.set_sort(self.sort.map_or(pb::SortOrder::Unspecified, Into::into));
        if self.include_out_of_stock.unwrap_or_default() {
            query.set_availability(pb::AvailabilityFilter::IncludeOutOfStock);
        }
        if self.amazon_only.unwrap_or_default() {
            query.set_merchant(pb::MerchantFilter::Amazon);
        }
        let request = pb::SearchProductsRequest {
            query: Some(query),
            page_size: self.page_size.unwrap_or_default(),
            page_token: self.page_token.unwrap_or_default(),
            options: Some(read.options(&LISTED)),
            include_facets: self.include_facets.unwrap_or_default(),
        };
        let response = client.search_products(request).await?;
        let mut page =
            page_or_estimate(read, response.cost.as_ref(), || product_table::found(&response, SystemTime::now()));
        name_next_page(&mut page, &response.next_page_token);
        ToolAnswer::of(&page, &response)
    }
}

impl AgentTool for ProductArguments {
    const NAME: &'static str = "product";
    const TITLE: &'static str = "Show products";
    const DESCRIPTION: &'static str = "Show all that is known of products by their ASINs, or the variations of one product's \
        family. An ASIN that is wrong or that Amazon does not know is reported beside the others. Products that the cache \
        has cost nothing.";

    async fn call(self, client: &Client, read: &ReadArguments) -> Result<ToolAnswer, Box<Error>> {
        if !self.variations.unwrap_or_default() {
            let request = pb::GetProductsRequest { asins: self.asins, options: Some(read.options(&[])) };
            let response = client.get_products(request).await?;
            let page =
                page_or_estimate(read, response.cost.as_ref(), || product::products_page(&response, SystemTime::now()));
            return ToolAnswer::of(&page, &response);
        }
        let [asin] = self.asins.as_slice() else {
            let description = "must be one ASIN where variations is true".to_owned();
            return Err(invalid(vec![FieldViolation { field: "asins".to_owned(), description }]));
        };
        let request = pb::GetVariationsRequest {
            asin: asin.clone(),
            page_token: self.page_token.unwrap_or_default(),
            options: Some(read.options(&LISTED)),
            ..Default::default()
        };
        let response = client.get_variations(request).await?;
        let mut page = page_or_estimate(read, response.cost.as_ref(), || product::family_page(&response));
        name_next_page(&mut page, &response.next_page_token);
        ToolAnswer::of(&page, &response)
    }
}

impl AgentTool for CompareArguments {
    const NAME: &'static str = "compare";
    const TITLE: &'static str = "Compare products";
    const DESCRIPTION: &'static str = "Compare products side by side: price, saving, rating, delivery, the best in each, and \
        the attributes in which they differ. Costs one call to Amazon at most.";

    async fn call(self, client: &Client, read: &ReadArguments) -> Result<ToolAnswer, Box<Error>> {
        let asins = self.asins.clone();
        let request = pb::CompareProductsRequest { asins: self.asins, options: Some(read.options(&[])) };
        let mut stream = client.compare_products(request).await?;
        let (mut rows, mut missing, mut summary) = (Vec::new(), Vec::new(), pb::CompareSummary::default());
        while let Some(message) = stream.message().await? {
            match message.event {
                Some(Event::Row(row)) => rows.push(row),
                Some(Event::Missing(product)) => missing.push(product),
                Some(Event::Summary(last)) => summary = last,
                // An event that this version does not know.
                None => {}
            }
        }
        // They came as they became known.
        let place = |asin: &str| asins.iter().position(|asked| asked.eq_ignore_ascii_case(asin));
        rows.sort_by_key(|row| place(&row.asin));
        missing.sort_by_key(|product| place(&product.asin));
        let ages: Vec<pb::ProductEntry> = rows.iter().map(compare::age_of).collect();
        for (row, age) in rows.iter_mut().zip(&ages) {
            row.entry = Some(age.clone());
        }
        let mut structured = JsonObject::new();
        structured.insert("rows".to_owned(), ToolAnswer::json_list(&rows)?);
        structured.insert("missing".to_owned(), ToolAnswer::json_list(&missing)?);
        structured.insert("summary".to_owned(), ToolAnswer::json(&summary)?);
        if read.is_estimate() {
            let page = format::estimate(summary.cost.as_ref());
            return Ok(ToolAnswer { markdown: page.render(Style::Markdown), structured });
        }
        let mut markdown = compare::table(Vec::new()).layout(Style::Markdown).head(false);
        let events = rows.into_iter().map(Event::Row).chain(missing.into_iter().map(Event::Missing));
        for event in events.chain([Event::Summary(summary)]) {
            markdown.push_str(&compare::event_text(&event, &ages, Style::Markdown));
        }
        Ok(ToolAnswer { markdown, structured })
    }
}

impl AgentTool for BrowseArguments {
    const NAME: &'static str = "browse";
    const TITLE: &'static str = "Browse categories";
    const DESCRIPTION: &'static str = "Show nodes of Amazon's category tree with what is above and below them. Their ids \
        narrow a search (browse_node_id). Products and facets name ids to begin with.";

    async fn call(self, client: &Client, read: &ReadArguments) -> Result<ToolAnswer, Box<Error>> {
        let options = Some(read.options(&[]));
        let request = pb::GetBrowseNodesRequest { ids: self.ids, depth: self.depth.unwrap_or(1), options };
        let response = client.get_browse_nodes(request).await?;
        let page = page_or_estimate(read, response.cost.as_ref(), || browse::tree_page(&response));
        ToolAnswer::of(&page, &response)
    }
}

impl AgentTool for TrendingArguments {
    const NAME: &'static str = "trending";
    const TITLE: &'static str = "List trending products";
    const DESCRIPTION: &'static str = "List a category's best rated and most reviewed products.";

    async fn call(self, client: &Client, read: &ReadArguments) -> Result<ToolAnswer, Box<Error>> {
        let request = pb::ListTrendingRequest {
            category: self.category.unwrap_or_default(),
            limit: self.limit.unwrap_or_default(),
            options: Some(read.options(&LISTED)),
        };
        let response = client.list_trending(request).await?;
        let page = page_or_estimate(read, response.cost.as_ref(), || {
            let (incomplete, cost) = (response.incomplete.as_ref(), response.cost.as_ref());
            browse_lists::list(&response.search_index, &response.basis, &response.products, incomplete, cost)
        });
        ToolAnswer::of(&page, &response)
    }
}

impl AgentTool for DealsArguments {
    const NAME: &'static str = "deals";
    const TITLE: &'static str = "List deals";
    const DESCRIPTION: &'static str = "List a category's discounted products, biggest saving first.";

    async fn call(self, client: &Client, read: &ReadArguments) -> Result<ToolAnswer, Box<Error>> {
        let request = pb::ListDealsRequest {
            category: self.category.unwrap_or_default(),
            max_price: self.max_price.map(|price| price.0),
            prime_only: self.prime_only.unwrap_or_default(),
            min_saving_percent: self.min_saving_percent,
            limit: self.limit.unwrap_or_default(),
            options: Some(read.options(&LISTED)),
        };
        let response = client.list_deals(request).await?;
        let page = page_or_estimate(read, response.cost.as_ref(), || {
            let (incomplete, cost) = (response.incomplete.as_ref(), response.cost.as_ref());
            browse_lists::list(&response.search_index, &response.basis, &response.products, incomplete, cost)
        });
        ToolAnswer::of(&page, &response)
    }
}

impl AgentTool for StatusArguments {
    const NAME: &'static str = "status";
    const TITLE: &'static str = "Show the gateway's status";
    const DESCRIPTION: &'static str = "Show what each Amazon account has spent and has left, the queue, and the cache. Only \
        callers with the right `admin` may use it. Costs nothing.";
    const READS: bool = false;

    async fn call(self, client: &Client, _: &ReadArguments) -> Result<ToolAnswer, Box<Error>> {
        let response = client.get_status(pb::GetStatusRequest {}).await?;
        ToolAnswer::of(&status::status_page(&response, SystemTime::now()), &response)
    }
}

fn page_or_estimate(read: &ReadArguments, cost: Option<&pb::Cost>, page: impl FnOnce() -> Page) -> Page {
    if read.is_estimate() { format::estimate(cost) } else { page() }
}

fn name_next_page(page: &mut Page, token: &str) {
    if !token.is_empty() {
        page.command("next page: the same arguments with page_token ", vec![token.to_owned()]);
    }
}
