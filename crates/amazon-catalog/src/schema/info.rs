//! `ItemInfo`: what the item is, apart from its price.

use serde_json::value::RawValue;

use crate::{
    dates,
    json::{FromJson, Object, json_struct, unless_empty},
    schema::{money::Money, numbers::from_one},
};
use stockroom_proto::pb;

json_struct! {
    struct ItemInfo {
        title: Single<String>,
        by_line_info: ByLineInfo,
        classifications: Classifications,
        content_info: ContentInfo,
        content_rating: ContentRating,
        external_ids: ExternalIds,
        features: Multi<String>,
        manufacture_info: ManufactureInfo,
        product_info: ProductInfo,
        technical_info: TechnicalInfo,
        trade_in_info: TradeInInfo,
    }
}

json_struct! {
    struct ByLineInfo {
        brand: Single<String>,
        manufacturer: Single<String>,
        contributors: Vec<Contributor>,
    }
}

json_struct! {
    struct Contributor {
        name: String,
        role: String,
        role_type: String,
    }
}

json_struct! {
    struct Classifications {
        binding: Single<String>,
        product_group: Single<String>,
    }
}

json_struct! {
    struct ContentInfo {
        edition: Single<String>,
        pages_count: Single<Option<i32>>,
        publication_date: Single<String>,
        languages: Multi<ContentLanguage>,
    }
}

json_struct! {
    struct ContentLanguage or display_value {
        display_value: String,
        r#type: String,
    }
}

json_struct! {
    struct ContentRating {
        audience_rating: Single<String>,
    }
}

json_struct! {
    struct ExternalIds {
        eans: Multi<String>,
        isbns: Multi<String>,
        upcs: Multi<String>,
    }
}

json_struct! {
    struct ManufactureInfo {
        item_part_number: Single<String>,
        model: Single<String>,
        warranty: Single<String>,
    }
}

json_struct! {
    struct ProductInfo {
        color: Single<String>,
        size: Single<String>,
        is_adult_product: Single<Option<bool>>,
        release_date: Single<String>,
        unit_count: Single<Option<i32>>,
        item_dimensions: ItemDimensions,
    }
}

json_struct! {
    struct ItemDimensions {
        height: UnitBased,
        length: UnitBased,
        width: UnitBased,
        weight: UnitBased,
    }
}

json_struct! {
    struct UnitBased {
        display_value: Option<f64>,
        unit: String,
    }
}

json_struct! {
    struct TechnicalInfo {
        energy_efficiency_class: Single<String>,
        formats: Multi<String>,
    }
}

json_struct! {
    struct TradeInInfo {
        is_eligible_for_trade_in: Option<bool>,
        price: Money,
    }
}

/// A value that Amazon puts into an object, as `{"DisplayValue": …, "Label": …, "Locale": …}`, or the value alone. Label and
/// locale are not read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Single<T>(T);

/// A list of values in such an object, as `{"DisplayValues": […]}`, or the list alone, or a single value in either form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Multi<T>(Vec<T>);

impl<T: FromJson + Default> FromJson for Single<T> {
    fn read(json: &RawValue) -> Option<Self> {
        match Object::read(json) {
            Some(object) => Some(Self(object.field("display_value"))),
            None => T::read(json).map(Self),
        }
    }
}

impl<T: FromJson + Default + PartialEq> FromJson for Multi<T> {
    fn read(json: &RawValue) -> Option<Self> {
        let Some(object) = Object::read(json) else {
            return Vec::read(json).or_else(|| Some(vec![T::read(json)?])).map(Self);
        };
        let values: Vec<T> = object.field("display_values");
        let single = || T::read(json).and_then(unless_empty).or_else(|| unless_empty(object.field("display_value")));
        Some(Self(if values.is_empty() { single().into_iter().collect() } else { values }))
    }
}

/// `pb::ProductInfo` is the whole of `ItemInfo`; Amazon's own `ProductInfo` is a part of it.
impl From<ItemInfo> for pb::ProductInfo {
    fn from(info: ItemInfo) -> Self {
        let ItemInfo { by_line_info, content_info, product_info, .. } = info;
        Self {
            title: info.title.0,
            brand: by_line_info.brand.0,
            manufacturer: by_line_info.manufacturer.0,
            contributors: by_line_info.contributors.into_iter().filter_map(unless_empty).map(Into::into).collect(),
            binding: info.classifications.binding.0,
            product_group: info.classifications.product_group.0,
            edition: content_info.edition.0,
            page_count: from_one(content_info.pages_count.0),
            publication_date: dates::partial(content_info.publication_date.0),
            languages: content_info.languages.0.into_iter().map(Into::into).collect(),
            audience_rating: info.content_rating.audience_rating.0,
            eans: info.external_ids.eans.0,
            isbns: info.external_ids.isbns.0,
            upcs: info.external_ids.upcs.0,
            features: info.features.0,
            part_number: info.manufacture_info.item_part_number.0,
            model: info.manufacture_info.model.0,
            warranty: info.manufacture_info.warranty.0,
            color: product_info.color.0,
            size: product_info.size.0,
            is_adult_product: product_info.is_adult_product.0,
            release_date: dates::partial(product_info.release_date.0),
            unit_count: from_one(product_info.unit_count.0),
            dimensions: unless_empty(product_info.item_dimensions.into()),
            energy_efficiency_class: info.technical_info.energy_efficiency_class.0,
            formats: info.technical_info.formats.0,
            trade_in: unless_empty(info.trade_in_info.into()),
        }
    }
}

impl From<Contributor> for pb::Contributor {
    fn from(Contributor { name, role, role_type }: Contributor) -> Self {
        Self { name, role, role_type }
    }
}

impl From<ContentLanguage> for pb::ContentLanguage {
    fn from(language: ContentLanguage) -> Self {
        Self { name: language.display_value, r#type: language.r#type }
    }
}

impl From<ItemDimensions> for pb::Dimensions {
    fn from(dimensions: ItemDimensions) -> Self {
        let ItemDimensions { height, length, width, weight } = dimensions;
        Self {
            height: height.into_message(),
            length: length.into_message(),
            width: width.into_message(),
            weight: weight.into_message(),
        }
    }
}

impl UnitBased {
    /// The message; `None` without a number above zero. A number without a unit is still a measure.
    fn into_message(self) -> Option<pb::Measure> {
        let value = self.display_value.filter(|value| *value > 0.0)?;
        Some(pb::Measure { value, unit: self.unit })
    }
}

impl From<TradeInInfo> for pb::TradeIn {
    fn from(trade_in: TradeInInfo) -> Self {
        Self { is_eligible: trade_in.is_eligible_for_trade_in, price: trade_in.price.into_message() }
    }
}
