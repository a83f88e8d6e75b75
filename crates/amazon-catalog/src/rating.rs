//! Star ratings in words.

/// Stars and reviews in words, as `Excellent (4.6/5.0 from 230 reviews) - High credibility`, or `No ratings yet`.
///
/// Without a number of reviews the text is the rating alone, because the credibility is unknown.
pub fn in_words(stars: Option<f64>, reviews: Option<i32>) -> String {
    let Some(stars) = stars.filter(|stars| *stars > 0.0) else {
        return "No ratings yet".to_owned();
    };
    let word = match stars {
        s if s >= 4.5 => "Excellent",
        s if s >= 4.0 => "Very Good",
        s if s >= 3.5 => "Good",
        s if s >= 3.0 => "Fair",
        _ => "Below Average",
    };
    let Some(reviews) = reviews else {
        return format!("{word} ({stars:.1}/5.0)");
    };
    let credibility = match reviews {
        n if n > 100 => "High",
        n if n > 20 => "Moderate",
        _ => "Limited",
    };
    let noun = if reviews == 1 { "review" } else { "reviews" };
    format!("{word} ({stars:.1}/5.0 from {reviews} {noun}) - {credibility} credibility")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_of_both_scales_has_its_word() {
        let cases = [
            (Some(4.6), Some(230), "Excellent (4.6/5.0 from 230 reviews) - High credibility"),
            (Some(4.5), Some(101), "Excellent (4.5/5.0 from 101 reviews) - High credibility"),
            (Some(4.4), Some(100), "Very Good (4.4/5.0 from 100 reviews) - Moderate credibility"),
            (Some(3.5), Some(21), "Good (3.5/5.0 from 21 reviews) - Moderate credibility"),
            (Some(3.0), Some(20), "Fair (3.0/5.0 from 20 reviews) - Limited credibility"),
            (Some(2.9), Some(1), "Below Average (2.9/5.0 from 1 review) - Limited credibility"),
            (Some(4.0), None, "Very Good (4.0/5.0)"),
            (None, Some(12), "No ratings yet"),
            (None, None, "No ratings yet"),
        ];
        for (stars, reviews, words) in cases {
            assert_eq!(in_words(stars, reviews), words);
        }
    }
}
