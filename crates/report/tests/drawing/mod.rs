//! A figure as a reader of the file finds it.

use resvg::usvg::{self, fontdb, roxmltree};

/// A box on the page; `top` is above `bottom` and therefore smaller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Area {
    pub(crate) fn around((x, y): (f64, f64), radius: f64) -> Self {
        Self { left: x - radius, top: y - radius, right: x + radius, bottom: y + radius }
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    pub(crate) fn holds(&self, other: &Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }

    pub(crate) fn of_frame(frame: &roxmltree::Node<'_, '_>) -> Self {
        Self {
            left: number(frame, "data-left"),
            top: number(frame, "data-top"),
            right: number(frame, "data-right"),
            bottom: number(frame, "data-bottom"),
        }
    }
}

pub(crate) fn number(node: &roxmltree::Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// Elements under `node`, itself included, that have `class`.
pub(crate) fn of_class<'a, 'input>(
    node: roxmltree::Node<'a, 'input>,
    class: &str,
) -> Vec<roxmltree::Node<'a, 'input>> {
    let has = |names: &str| names.split(' ').any(|name| name == class);
    node.descendants().filter(|node| node.attribute("class").is_some_and(has)).collect()
}

/// Elements whose id starts with `prefix`: the rest of the id, and where the rasteriser lays them out.
pub(crate) fn laid_out(svg: &str, prefix: &str) -> Vec<(String, Area)> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("../../assets/Inter-Regular.otf").to_vec());
    fonts.load_font_data(include_bytes!("../../assets/Inter-SemiBold.otf").to_vec());
    let options = usvg::Options {
        fontdb: fonts.into(),
        font_family: "Inter".to_owned(),
        ..Default::default()
    };
    let tree = usvg::Tree::from_str(svg, &options).unwrap();
    let document = roxmltree::Document::parse(svg).unwrap();
    let ids = document.descendants().filter_map(|node| node.attribute("id"));
    let found = ids.filter_map(|id| Some((id, id.strip_prefix(prefix)?)));
    let placed = found.map(|(id, rest)| {
        let area = tree.node_by_id(id).unwrap().abs_bounding_box();
        let [left, top, right, bottom] =
            [area.left(), area.top(), area.right(), area.bottom()].map(f64::from);
        (rest.to_owned(), Area { left, top, right, bottom })
    });
    placed.collect()
}
