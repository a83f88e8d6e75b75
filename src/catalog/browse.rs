//! Browse nodes, and the walk down from them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Catalog, CostCounter, Error, ReadContext,
    cached::{Arguments, Cached, Loaded, Request},
};
use crate::{
    cache::Namespace,
    dispatch::{self, RequestContext},
};
use amazon_catalog::{BrowseNodeId, CatalogRequest, CatalogResponse, GetBrowseNodes, IDS_PER_CALL, Locale};
use stockroom_proto::pb;

/// The most nodes one walk asks for: ten calls' worth. A department has hundreds below it.
const WALK_BOUND: usize = 100;

/// One node, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) locale: Locale,
    pub(super) id: BrowseNodeId,
}

/// NodeMap with what is below them.
#[derive(Clone, Debug, Default)]
pub struct NodeTree {
    /// One outcome for each id asked for, in order.
    pub outcomes: Vec<pb::BrowseNodeOutcome>,
    /// NodeMap whose children were not asked for.
    pub unexpanded: Vec<String>,
    /// Why the walk ended early, where it did.
    pub cut_short: Option<Error>,
}

/// NodeMap by their ids.
pub type NodeMap = HashMap<BrowseNodeId, (pb::BrowseNode, pb::Freshness)>;

impl Catalog {
    /// Answers nodes with their children down to a depth. Fails only where not even the nodes themselves can be had.
    pub async fn browse(
        &self,
        read: &ReadContext,
        ids: &[BrowseNodeId],
        depth: usize,
        cost: &mut CostCounter,
    ) -> Result<NodeTree, Error> {
        let mut walk = NodeTree::default();
        let mut nodes = NodeMap::new();
        self.nodes(read, ids, &mut nodes, cost).await?;

        let mut level: Vec<BrowseNodeId> = ids.to_vec();
        for _ in 1..depth {
            let below = children(&level, &nodes);
            let room = WALK_BOUND.saturating_sub(nodes.len());
            let (expanded, left_out) = below.split_at(room.min(below.len()));
            walk.unexpanded.extend(left_out.iter().map(ToString::to_string));
            if let Err(error) = self.nodes(read, expanded, &mut nodes, cost).await {
                let missing = expanded.iter().filter(|id| !nodes.contains_key(id));
                walk.unexpanded.extend(missing.map(ToString::to_string));
                walk.cut_short = Some(error);
                break;
            }
            level = expanded.to_vec();
        }
        walk.outcomes = ids.iter().map(|id| outcome(*id, &nodes, depth)).collect();
        Ok(walk)
    }

    async fn nodes(
        &self,
        read: &ReadContext,
        ids: &[BrowseNodeId],
        nodes: &mut NodeMap,
        cost: &mut CostCounter,
    ) -> Result<(), Error> {
        for ids in ids.chunks(IDS_PER_CALL) {
            let asked = ids.iter().map(|id| Node { locale: read.locale, id: *id }).collect();
            let catalog = self.clone();
            let load = move |asked, terms| catalog.clone().load_nodes(asked, terms);
            for (node, answer) in self.cached::<_, pb::BrowseNode, _, _>(read, asked, load).await {
                let Cached { value, freshness, response } = answer?;
                cost.answer(&freshness);
                cost.call(response.map(|response| response.call));
                nodes.extend(value.map(|value| (node.id, (value, freshness))));
            }
        }
        Ok(())
    }

    async fn load_nodes(self, asked: Vec<Node>, terms: RequestContext) -> Loaded<Node, pb::BrowseNode> {
        let locale = asked.first().ok_or(Error::Undecodable)?.locale;
        let mut ids: Vec<_> = asked.iter().map(|node| node.id).collect();
        // Two requests for the same nodes are one question.
        ids.sort_unstable();
        ids.dedup();
        let response = self.dispatch.ask(CatalogRequest::BrowseNodes(GetBrowseNodes { locale, ids }), terms).await?;
        let CatalogResponse::BrowseNodes(found) = &*response.answer else { return Err(Error::Undecodable) };
        let failure = |node: &Node| found.failed.iter().find(|(id, _)| *id == node.id).map(|(_, error)| error);
        if let Some(error) =
            asked.first().filter(|_| found.nodes.is_empty() && found.missing.is_empty()).and_then(failure)
        {
            return Err(dispatch::Error::Upstream(Arc::new(error.clone())).into());
        }
        let of = |node: &Node| found.nodes.iter().find(|found| BrowseNodeId::parse(&found.id) == Ok(node.id)).cloned();
        // A node that Amazon failed to answer is left out: it is neither found nor absent.
        let answered = asked.iter().filter(|node| failure(node).is_none());
        let answered = answered.map(|node| (*node, of(node))).collect();
        Ok((answered, response))
    }
}

fn children(level: &[BrowseNodeId], nodes: &NodeMap) -> Vec<BrowseNodeId> {
    let mut seen = HashSet::new();
    let below = level.iter().filter_map(|id| nodes.get(id)).flat_map(|(node, _)| &node.children);
    below.filter_map(|child| BrowseNodeId::parse(&child.id).ok()).filter(|id| seen.insert(*id)).collect()
}

fn outcome(id: BrowseNodeId, nodes: &NodeMap, depth: usize) -> pb::BrowseNodeOutcome {
    let freshness = nodes.get(&id).map(|(_, freshness)| *freshness);
    pb::BrowseNodeOutcome { id: id.to_string(), node: tree(id, nodes, depth, &mut HashSet::new()), freshness }
}

/// A node with what is below it. Each node is expanded once, so that a tree in which Amazon puts a node below itself ends.
fn tree(
    id: BrowseNodeId,
    nodes: &NodeMap,
    depth: usize,
    expanded: &mut HashSet<BrowseNodeId>,
) -> Option<pb::BrowseNode> {
    let (node, _) = nodes.get(&id)?;
    let mut node = node.clone();
    expanded.insert(id);
    if depth == 0 {
        node.children.clear();
    }
    for child in &mut node.children {
        let id = BrowseNodeId::parse(&child.id).ok().filter(|id| depth > 1 && !expanded.contains(id));
        if let Some(below) = id.and_then(|id| tree(id, nodes, depth - 1, expanded)) {
            // Its ancestors are the nodes it stands below.
            *child = pb::BrowseNode { ancestors: Vec::new(), ..below };
        }
    }
    Some(node)
}

impl Request for Node {
    const NAMESPACE: Namespace = Namespace::BrowseNodes;

    fn arguments(&self) -> Arguments {
        Arguments::default().with("id", Some(self.id))
    }
}
