//! `stockroom browse`: Amazon's category tree, from a node downwards.

use clap::Args;

use super::{
    exit::{Failure, Outcome},
    format,
    page::Page,
    remote::{ReadArgs, Remote},
};
use crate::server::limits::MAX_BROWSE_NODES;
use stockroom_proto::pb;

const EXAMPLES: &str = "\
Examples:
  stockroom browse 9000010000
  stockroom browse 9000010000 --depth 2
  stockroom search headphones --browse-node 9000010000";

/// Show browse nodes as a tree
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Browse {
    /// One to ten ids of browse nodes
    #[arg(required = true, num_args = 1..=MAX_BROWSE_NODES, value_name = "ID")]
    ids: Vec<String>,
    /// Levels of children, 0 to 3; each after the first costs calls to Amazon
    #[arg(long, default_value_t = 1)]
    depth: i32,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    remote: Remote,
}

impl Browse {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let options = Some(self.read.options(&[]));
        let request = pb::GetBrowseNodesRequest { ids: self.ids, depth: self.depth, options };
        let answer = self.remote.client()?.get_browse_nodes(request).await?;
        if self.read.estimate {
            return self.remote.out().estimate(&answer, answer.cost.as_ref());
        }
        self.remote.out().answer(&answer, tree_page)?;
        let found = answer.outcomes.iter().any(|outcome| outcome.node.is_some());
        Ok(if found { Outcome::Done } else { Outcome::Nothing })
    }
}

pub(super) fn tree_page(answer: &pb::GetBrowseNodesResponse) -> Page {
    let mut page = Page::default();
    for outcome in &answer.outcomes {
        let Some(node) = &outcome.node else {
            page.heading(outcome.id.clone()).line("not found");
            continue;
        };
        let above: Vec<&str> = node.ancestors.iter().rev().map(|above| above.display_name.as_str()).collect();
        page.heading(label(node)).line(above.join(" > "));
        let mut items = Vec::new();
        node.children.iter().for_each(|child| branch(child, 0, &mut items));
        page.items(items);
    }
    if !answer.unexpanded_ids.is_empty() {
        page.line(format!("Not opened: {}", answer.unexpanded_ids.join(", ")));
    }
    page.line(format::incomplete(answer.incomplete.as_ref())).line(format::cost(answer.cost.as_ref()));
    page
}

fn branch(node: &pb::BrowseNode, depth: usize, items: &mut Vec<String>) {
    items.push(format!("{}{}", "  ".repeat(depth), label(node)));
    node.children.iter().for_each(|child| branch(child, depth + 1, items));
}

fn label(node: &pb::BrowseNode) -> String {
    format!("{} ({})", node.display_name, node.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Style;

    #[test]
    fn children_stand_below_their_parent() {
        let node = |id: &str, name: &str, children| pb::BrowseNode {
            id: id.to_owned(),
            display_name: name.to_owned(),
            children,
            ..Default::default()
        };
        let root =
            node("1", "Home", vec![node("2", "Lighting", vec![node("3", "Lamps", vec![])]), node("4", "Rugs", vec![])]);
        let outcome = pb::BrowseNodeOutcome { id: "1".to_owned(), node: Some(root), freshness: None };
        let page = tree_page(&pb::GetBrowseNodesResponse { outcomes: vec![outcome], ..Default::default() });
        assert_eq!(page.render(Style::Text(None)), "Home (1)\n  Lighting (2)\n    Lamps (3)\n  Rugs (4)\n");
        assert_eq!(page.render(Style::Markdown), "## Home (1)\n\n- Lighting (2)\n  - Lamps (3)\n- Rugs (4)\n");
    }
}
