//! Browse nodes: `GetBrowseNodes`, and the nodes of an item.

use serde_json::{Value, json};

use crate::{
    catalogue::{
        categories::{DepartmentNode, Departments},
        product::InventedProduct,
    },
    paapi5::{
        errors::{Paapi5Error, unknown_id},
        fields::Fields,
        json_object::JsonObject,
        resources::Resources,
    },
};
use amazon_catalog::BrowseNodeId;

/// The ids of a `GetBrowseNodes`.
pub(crate) fn ids<'a>(fields: &Fields<'a>) -> Result<Vec<&'a str>, Paapi5Error> {
    fields.ids("BrowseNodeIds")
}

/// Answers a `GetBrowseNodes`: the nodes that are known, and an error for each id that is not.
pub(crate) fn answer(ids: &[&str], resources: &Resources<'_>) -> Value {
    let (mut nodes, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        match find(id) {
            Some(node) => nodes.push(Value::from(
                plain(node)
                    .with("IsRoot", node.parent.is_none())
                    .with_asked(resources.has("BrowseNodes.Ancestor"), "Ancestor", || ancestor(node))
                    .with_asked(resources.has("BrowseNodes.Children"), "Children", || children(node)),
            )),
            None => errors.push(unknown_id("BrowseNodeId", id)),
        }
    }
    JsonObject::new()
        .with_some("Errors", (!errors.is_empty()).then_some(errors))
        .with_some("BrowseNodesResult", (!nodes.is_empty()).then(|| json!({ "BrowseNodes": nodes })))
        .into()
}

/// The requested parts of an item's `BrowseNodeInfo`.
pub(crate) fn info(product: &InventedProduct, resources: &Resources<'_>) -> Option<Value> {
    let [root, _, leaf] = product.kind.path;
    let leaf = Departments::get().node(leaf)?;
    let (root_rank, leaf_rank) = product.ranks;
    let nodes = || {
        let asked = |name: &str| resources.has(&format!("BrowseNodeInfo.BrowseNodes.{name}"));
        let node = plain(leaf)
            .with("IsRoot", false)
            .with_asked(asked("Ancestor"), "Ancestor", || ancestor(leaf))
            .with_asked(asked("SalesRank"), "SalesRank", || Some(leaf_rank));
        Some(vec![Value::from(node)])
    };
    let website_rank = || {
        let root = Departments::get().node(root)?;
        let (name, free) = (root.name, root.context_free_name);
        Some(json!({ "ContextFreeName": free, "DisplayName": name, "SalesRank": root_rank }))
    };
    JsonObject::new()
        .with_asked(resources.has_within("BrowseNodeInfo.BrowseNodes"), "BrowseNodes", nodes)
        .with_asked(resources.has("BrowseNodeInfo.WebsiteSalesRank"), "WebsiteSalesRank", website_rank)
        .unless_empty()
}

fn find(id: &str) -> Option<&'static DepartmentNode> {
    let id = BrowseNodeId::parse(id).ok()?;
    Departments::get().node(id.to_string().parse().ok()?)
}

/// Id and names.
fn plain(node: &DepartmentNode) -> JsonObject {
    JsonObject::new()
        .with("Id", node.id.to_string())
        .with("DisplayName", node.name)
        .with("ContextFreeName", node.context_free_name)
}

/// The node's parent, which contains its own parent, up to the root.
fn ancestor(node: &DepartmentNode) -> Option<Value> {
    let parent = Departments::get().node(node.parent?)?;
    Some(plain(parent).with_some("Ancestor", ancestor(parent)).into())
}

fn children(node: &DepartmentNode) -> Option<Value> {
    let nodes = node.children.iter().filter_map(|id| Departments::get().node(*id));
    (!node.children.is_empty()).then(|| nodes.map(|child| Value::from(plain(child))).collect())
}
