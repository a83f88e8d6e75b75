//! Browse nodes: those of an item with its sales ranks (`BrowseNodeInfo`), and those asked for by id.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::{
    json::{FromJson, Object, json_struct, unless_empty},
    schema::numbers::from_one,
};
use stockroom_proto::pb;

/// The most ancestors that are read. Amazon's tree is about ten levels deep; the bound limits the cost of a malformed answer.
const MAX_ANCESTORS: usize = 32;

json_struct! {
    struct BrowseNodeInfo {
        browse_nodes: Vec<BrowseNode>,
        website_sales_rank: WebsiteSalesRank,
    }
}

json_struct! {
    struct WebsiteSalesRank {
        id: String,
        display_name: String,
        context_free_name: String,
        sales_rank: Option<i64>,
    }
}

json_struct! {
    struct BrowseNode {
        id: String,
        display_name: String,
        context_free_name: String,
        is_root: Option<bool>,
        sales_rank: Option<i64>,
        ancestor: Ancestors,
        children: Vec<NodeName>,
    }
}

json_struct! {
    struct NodeName {
        id: String,
        display_name: String,
        /// A name that is understood without the ancestors, as `Men's Shoes` for `Shoes` below `Men`.
        context_free_name: String,
    }
}

/// The ancestors of a node, its parent first. In Amazon's JSON each ancestor is nested in its child.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ancestors(Vec<NodeName>);

impl FromJson for Ancestors {
    fn read(json: &RawValue) -> Option<Self> {
        let mut names = Vec::new();
        let mut next = Some(json);
        while let Some(json) = next.filter(|_| names.len() < MAX_ANCESTORS) {
            let Some(name) = NodeName::read(json) else { break };
            names.extend(unless_empty(name));
            next = Object::read(json).and_then(|node| node.get("ancestor"));
        }
        Some(Self(names))
    }
}

/// The messages of `pb` call an item's browse nodes its categories.
impl From<BrowseNodeInfo> for pb::ProductCategories {
    fn from(info: BrowseNodeInfo) -> Self {
        let nodes = info.browse_nodes.into_iter().filter_map(BrowseNode::into_message).collect();
        Self { nodes, website_sales_rank: info.website_sales_rank.into_message() }
    }
}

impl WebsiteSalesRank {
    /// The message; `None` without the rank itself. Ranks begin at 1.
    fn into_message(self) -> Option<pb::SalesRank> {
        let Self { id, display_name, context_free_name, sales_rank } = self;
        Some(pb::SalesRank { id, display_name, context_free_name, rank: from_one(sales_rank)? })
    }
}

impl BrowseNode {
    /// The message, with each child once; `None` for a node without an id. Its ancestors and children are names to show and
    /// may lack one.
    pub(crate) fn into_message(self) -> Option<pb::BrowseNode> {
        let mut named = HashSet::new();
        let children = self.children.into_iter().filter_map(unless_empty);
        let children = children.filter(|child| child.id.is_empty() || named.insert(child.id.clone()));
        let children = children.map(|NodeName { id, display_name, context_free_name }| pb::BrowseNode {
            id,
            display_name,
            context_free_name,
            ..Default::default()
        });
        (!self.id.is_empty()).then_some(pb::BrowseNode {
            id: self.id,
            display_name: self.display_name,
            context_free_name: self.context_free_name,
            is_root: self.is_root,
            sales_rank: from_one(self.sales_rank),
            ancestors: self.ancestor.0.into_iter().map(Into::into).collect(),
            children: children.collect(),
        })
    }
}

impl From<NodeName> for pb::BrowseNodeName {
    fn from(NodeName { id, display_name, context_free_name }: NodeName) -> Self {
        Self { id, display_name, context_free_name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_are_flattened_parent_first_and_bounded() {
        let nested = |levels: usize| {
            let json =
                (0..levels).rfold(String::from("null"), |above, n| format!(r#"{{"Id": "{n}", "Ancestor": {above}}}"#));
            let ancestors = Ancestors::read(serde_json::from_str(&json).unwrap()).unwrap();
            ancestors.0.into_iter().map(|name| name.id).collect::<Vec<_>>()
        };
        assert_eq!(nested(3), ["0", "1", "2"]);
        assert_eq!(nested(500).len(), MAX_ANCESTORS);
        let unnamed = serde_json::from_str(r#"{"Ancestor": {"Id": "2", "Ancestor": {}}}"#).unwrap();
        assert_eq!(Ancestors::read(unnamed).unwrap().0.len(), 1, "the one with a name");
    }
}
