//! Browse nodes: those of an item with its sales ranks (`BrowseNodeInfo`), and those asked for by id.

use serde_json::value::RawValue;

use crate::json::{FromJson, Object, json_struct};
use stockroom_proto::pb;

/// Amazon's tree is about ten levels deep; this only bounds what a broken answer can cost.
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
        context_free_name: String,
    }
}

/// The nodes above one, each of which Amazon puts inside the one below it; parent first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ancestors(Vec<NodeName>);

impl FromJson for Ancestors {
    fn read(json: &RawValue) -> Option<Self> {
        let mut names = Vec::new();
        let mut above = Some(json);
        while let Some(node) = above.and_then(Object::read).filter(|_| names.len() < MAX_ANCESTORS) {
            names.extend(above.and_then(NodeName::read));
            above = node.get("ancestor");
        }
        Some(Self(names))
    }
}

impl From<BrowseNodeInfo> for pb::ProductCategories {
    fn from(info: BrowseNodeInfo) -> Self {
        let nodes = info.browse_nodes.into_iter().filter_map(BrowseNode::message).collect();
        Self { nodes, website_sales_rank: info.website_sales_rank.message() }
    }
}

impl WebsiteSalesRank {
    fn message(self) -> Option<pb::SalesRank> {
        let Self { id, display_name, context_free_name, sales_rank } = self;
        Some(pb::SalesRank { id, display_name, context_free_name, rank: sales_rank? })
    }
}

impl BrowseNode {
    /// The message; `None` for a node without an id, which nobody could ask for.
    pub(crate) fn message(self) -> Option<pb::BrowseNode> {
        let children = self.children.into_iter().map(|NodeName { id, display_name, context_free_name }| {
            pb::BrowseNode { id, display_name, context_free_name, ..Default::default() }
        });
        (!self.id.is_empty()).then_some(pb::BrowseNode {
            id: self.id,
            display_name: self.display_name,
            context_free_name: self.context_free_name,
            is_root: self.is_root,
            sales_rank: self.sales_rank,
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
    }
}
