//! Browse nodes, and the walk down from them.

use std::collections::{HashMap, HashSet};

use super::{
    Catalog, CostCounter, Error, ReadContext,
    cached::{Arguments, Cached, PageRequest},
};
use crate::cache::Namespace;
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

/// Nodes with what is below them.
#[derive(Clone, Debug, Default)]
pub struct NodeTree {
    /// One outcome for each id asked for, in order.
    pub outcomes: Vec<pb::BrowseNodeOutcome>,
    /// Nodes that could not be had, or whose children were not asked for.
    pub unexpanded: Vec<String>,
    /// Why nodes could not be had, where it is so.
    pub cut_short: Option<Error>,
}

/// Nodes by their ids.
pub type NodeMap = HashMap<BrowseNodeId, (pb::BrowseNode, pb::Freshness)>;

/// Ids whose nodes could not be had, and why the first of them could not.
struct FailedNodes {
    ids: Vec<BrowseNodeId>,
    error: Error,
}

impl Catalog {
    /// Answers nodes with their children down to a depth. Fails only where none of the nodes themselves can be had.
    pub async fn browse(
        &self,
        read: &ReadContext,
        ids: &[BrowseNodeId],
        depth: usize,
        cost: &mut CostCounter,
    ) -> Result<NodeTree, Error> {
        let mut walk = NodeTree::default();
        let mut nodes = NodeMap::new();
        match self.nodes(read, ids, &mut nodes, cost).await {
            Some(failed) if failed.ids.len() == ids.len() => return Err(failed.error),
            failed => walk.note(failed),
        }

        let mut level: Vec<BrowseNodeId> = ids.to_vec();
        for _ in 1..depth {
            let below = children(&level, &nodes);
            let room = WALK_BOUND.saturating_sub(nodes.len());
            let (expanded, left_out) = below.split_at(room.min(below.len()));
            walk.unexpanded.extend(left_out.iter().map(ToString::to_string));
            let failed = self.nodes(read, expanded, &mut nodes, cost).await;
            let is_over = failed.as_ref().is_some_and(|failed| failed.ids.len() == expanded.len());
            walk.note(failed);
            if is_over {
                break;
            }
            level = expanded.to_vec();
        }
        let mut named = HashSet::new();
        walk.unexpanded.retain(|id| named.insert(id.clone()));
        walk.outcomes = ids.iter().map(|id| outcome(*id, &nodes, depth)).collect();
        Ok(walk)
    }

    /// Adds to `nodes` those that can be had. An id that fails costs no other its node; a call that fails as a whole ends the
    /// look for the rest.
    async fn nodes(
        &self,
        read: &ReadContext,
        ids: &[BrowseNodeId],
        nodes: &mut NodeMap,
        cost: &mut CostCounter,
    ) -> Option<FailedNodes> {
        let (mut failed, mut first_error) = (Vec::new(), None);
        let mut calls = ids.chunks(IDS_PER_CALL);
        for ids in calls.by_ref() {
            let before = failed.len();
            let asked = ids.iter().map(|id| Node { locale: read.locale, id: *id }).collect();
            for (node, answer) in self.cached(read, asked, cost).await {
                match answer {
                    Ok(Cached { value, freshness, .. }) => {
                        nodes.extend(value.map(|value| (node.id, (value, freshness))));
                    }
                    Err(error) => {
                        failed.push(node.id);
                        first_error.get_or_insert(error);
                    }
                }
            }
            if failed.len() - before == ids.len() {
                break;
            }
        }
        failed.extend(calls.flatten());
        Some(FailedNodes { ids: failed, error: first_error? })
    }
}

impl NodeTree {
    fn note(&mut self, failed: Option<FailedNodes>) {
        if let Some(FailedNodes { ids, error }) = failed {
            self.unexpanded.extend(ids.iter().map(ToString::to_string));
            self.cut_short.get_or_insert(error);
        }
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

impl PageRequest for Node {
    type Page = pb::BrowseNode;

    const NAMESPACE: Namespace = Namespace::BrowseNodes;

    fn arguments(&self) -> Arguments {
        Arguments::default().with("id", Some(self.id))
    }

    fn call(asked: &[Self]) -> Option<CatalogRequest> {
        let locale = asked.first()?.locale;
        let mut ids: Vec<_> = asked.iter().map(|node| node.id).collect();
        // Requests for the same nodes in another order are one request.
        ids.sort_unstable();
        ids.dedup();
        Some(CatalogRequest::BrowseNodes(GetBrowseNodes { locale, ids }))
    }

    fn page(&self, response: &CatalogResponse) -> Result<Option<pb::BrowseNode>, amazon_catalog::Error> {
        let CatalogResponse::BrowseNodes(found) = response else { return Ok(None) };
        // A node that Amazon failed to answer is neither found nor absent.
        if let Some((_, error)) = found.failed.iter().find(|(id, _)| *id == self.id) {
            return Err(error.clone());
        }
        Ok(found.nodes.iter().find(|found| BrowseNodeId::parse(&found.id) == Ok(self.id)).cloned())
    }

    fn is_plausible(&self, node: &pb::BrowseNode) -> bool {
        BrowseNodeId::parse(&node.id) == Ok(self.id)
    }

    fn planned_page(&self) -> pb::BrowseNode {
        let child = |n: i64| pb::BrowseNode { id: (i64::MAX - n).to_string(), ..Default::default() };
        let most = i64::try_from(WALK_BOUND).unwrap_or(i64::MAX);
        pb::BrowseNode { id: self.id.to_string(), children: (0..most).map(child).collect(), ..Default::default() }
    }
}
