//! The parts of a product that a request wants, cut out of the encoded product without decoding it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, skip_field};

use stockroom_proto::pb;

/// Field numbers of `Product` that are no part and always stay: everything below this.
const FIRST_PART_TAG: u32 = 10;

/// A set of product parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductMask(u8);

impl ProductMask {
    /// All of them.
    pub const ALL: Self = Self(0b111_1110);

    /// Those named; all where none is named.
    pub fn from_parts(named: impl IntoIterator<Item = pb::ProductPart>) -> Self {
        let bits = named.into_iter().fold(0, |bits, part| bits | 1 << part as u8);
        if bits == 0 { Self::ALL } else { Self(bits) }
    }

    /// Whether offers are among them.
    pub fn offers(self) -> bool {
        self.contains(pb::ProductPart::Offers)
    }

    /// The encoded product with these parts only.
    pub fn apply(self, product: Bytes) -> Bytes {
        if self == Self::ALL {
            return product;
        }
        // What does not parse is handed on whole: the reader will say what is wrong with it.
        self.copy(product.clone()).unwrap_or(product)
    }

    fn contains(self, part: pb::ProductPart) -> bool {
        self.0 & (1 << part as u8) != 0
    }

    fn includes_tag(self, tag: u32) -> bool {
        match tag {
            ..FIRST_PART_TAG => true,
            10 => self.contains(pb::ProductPart::Info),
            11 => self.contains(pb::ProductPart::Images),
            12 => self.contains(pb::ProductPart::Offers),
            13 => self.contains(pb::ProductPart::Reviews),
            14 => self.contains(pb::ProductPart::Categories),
            15 => self.contains(pb::ProductPart::Variation),
            _ => true,
        }
    }

    fn copy(self, mut rest: Bytes) -> Result<Bytes, prost::DecodeError> {
        let mut out = BytesMut::with_capacity(rest.len());
        while rest.has_remaining() {
            let (tag, wire_type) = decode_key(&mut rest)?;
            let mut after = rest.clone();
            skip_field(wire_type, tag, &mut after, DecodeContext::default())?;
            let value = rest.split_to(rest.len() - after.len());
            if self.includes_tag(tag) {
                put(tag, wire_type, &value, &mut out);
            }
        }
        Ok(out.freeze())
    }
}

fn put(tag: u32, wire_type: WireType, value: &Bytes, out: &mut BytesMut) {
    encode_key(tag, wire_type, out);
    out.put_slice(value);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn whole() -> pb::Product {
        pb::Product {
            asin: "B0EXAMPLE1".to_owned(),
            detail_page_url: "https://www.amazon.com/dp/B0EXAMPLE1".to_owned(),
            score: Some(0.5),
            info: Some(pb::ProductInfo { title: "A lamp".to_owned(), ..Default::default() }),
            images: Some(pb::ProductImages::default()),
            offers: Some(pb::ProductOffers { listings: vec![pb::Offer::default(); 3], ..Default::default() }),
            reviews: Some(pb::ProductReviews { count: Some(3), ..Default::default() }),
            categories: Some(pb::ProductCategories::default()),
            variation: Some(pb::ProductVariation::default()),
            ..Default::default()
        }
    }

    #[test]
    fn named_parts_stay_and_the_others_go() {
        let encoded = Bytes::from(whole().encode_to_vec());
        let cut = |parts: &[pb::ProductPart]| {
            let cut = ProductMask::from_parts(parts.iter().copied()).apply(encoded.clone());
            pb::Product::decode(cut).unwrap()
        };
        let bare = pb::Product {
            info: None,
            images: None,
            offers: None,
            reviews: None,
            categories: None,
            variation: None,
            ..whole()
        };
        assert_eq!(cut(&[]), whole());
        assert_eq!(cut(&[pb::ProductPart::Info]), pb::Product { info: whole().info, ..bare.clone() });
        assert_eq!(
            cut(&[pb::ProductPart::Offers, pb::ProductPart::Variation]),
            pb::Product { offers: whole().offers, variation: whole().variation, ..bare.clone() }
        );
        assert_eq!(cut(&[pb::ProductPart::Images]), pb::Product { images: whole().images, ..bare.clone() });
        assert_eq!(cut(&[pb::ProductPart::Reviews]), pb::Product { reviews: whole().reviews, ..bare.clone() });
        assert_eq!(cut(&[pb::ProductPart::Categories]), pb::Product { categories: whole().categories, ..bare });
    }

    #[test]
    fn bytes_that_are_no_product_are_handed_on_whole() {
        let junk = Bytes::from_static(b"\xff\xff\xff");
        assert_eq!(ProductMask::from_parts([pb::ProductPart::Info]).apply(junk.clone()), junk);
    }
}
