//! `Images`: links to pictures.

use crate::{
    json::{json_struct, unless_empty},
    schema::numbers::count,
};
use stockroom_proto::pb;

json_struct! {
    struct Images {
        primary: ImageType,
        /// Further pictures of the same item.
        variants: Vec<ImageType>,
    }
}

json_struct! {
    /// One picture in several sizes; `ImageType` is Amazon's name.
    struct ImageType {
        small: ImageSize,
        medium: ImageSize,
        large: ImageSize,
        /// The Creators API alone has it.
        hi_res: ImageSize,
    }
}

json_struct! {
    struct ImageSize {
        url: String,
        height: Option<i32>,
        width: Option<i32>,
    }
}

impl From<Images> for pb::ProductImages {
    fn from(images: Images) -> Self {
        Self {
            primary: unless_empty(images.primary.into()),
            variants: images.variants.into_iter().filter_map(|variant| unless_empty(variant.into())).collect(),
        }
    }
}

impl From<ImageType> for pb::ImageSet {
    fn from(image: ImageType) -> Self {
        Self {
            small: image.small.into_message(),
            medium: image.medium.into_message(),
            large: image.large.into_message(),
            hi_res: image.hi_res.into_message(),
        }
    }
}

impl ImageSize {
    /// The message; `None` without a link. A size that Amazon does not state is zero.
    fn into_message(self) -> Option<pb::Image> {
        let Self { url, height, width } = self;
        let pixels = |number| count(number).unwrap_or_default();
        (!url.is_empty()).then(|| pb::Image { url, height: pixels(height), width: pixels(width) })
    }
}
