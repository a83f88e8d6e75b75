//! What families of products vary in.

use crate::catalogue::product::Dimension;

const DIMENSIONS: &[Dimension] = &[
    dimension("color", "color_name", "Color", COLORS, 0),
    dimension("apparel", "size_name", "Size", &["Small", "Medium", "Large", "X-Large", "XX-Large"], 0),
    dimension("shoe", "size_name", "Size", &["7", "8", "8.5", "9", "9.5", "10", "11", "12"], 0),
    dimension("storage", "size_name", "Capacity", &["128 GB", "256 GB", "512 GB", "1 TB"], 25),
    dimension("inches", "size_name", "Screen Size", &["43-Inch", "50-Inch", "55-Inch", "65-Inch", "75-Inch"], 30),
    dimension("inch", "size_name", "Size", &["8-Inch", "10-Inch", "12-Inch"], 25),
    dimension("bed", "size_name", "Size", &["Twin", "Full", "Queen", "King"], 15),
    dimension("milliliters", "size_name", "Size", &["30 ml", "50 ml", "100 ml"], 45),
    dimension("flavor", "flavor_name", "Flavor", &["House Blend", "Morning Bright", "Dark Harbor", "Vanilla Oak"], 0),
    dimension("pack", "item_package_quantity", "Item Package Quantity", &["Pack of 1", "Pack of 2", "Pack of 3"], 85),
];

const COLORS: &[&str] = &[
    "Midnight Blue",
    "Graphite",
    "Ivory",
    "Sage Green",
    "Terracotta",
    "Dusty Rose",
    "Matte Black",
    "Forest Green",
    "Burgundy",
    "Pearl White",
    "Sand",
    "Slate Gray",
];

/// The dimension that `kinds.txt` calls `key`.
pub(crate) fn find(key: &str) -> Option<&'static Dimension> {
    DIMENSIONS.iter().find(|dimension| dimension.key == key)
}

const fn dimension(
    key: &'static str,
    name: &'static str,
    display_name: &'static str,
    values: &'static [&'static str],
    step_percent: u64,
) -> Dimension {
    Dimension { key, name, display_name, values, step_percent }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::categories::Departments;

    #[test]
    fn every_dimension_that_a_kind_names_is_known() {
        for key in Departments::get().kinds().iter().flat_map(|kind| &kind.dimensions) {
            assert!(find(key).is_some(), "{key}");
        }
    }
}
