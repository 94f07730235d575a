//! Finding room for labels.

/// A box on the page; `top` is above `bottom` and therefore smaller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Rect {
    pub(super) fn around((x, y): (f64, f64), half_width: f64, half_height: f64) -> Self {
        Self {
            left: x - half_width,
            top: y - half_height,
            right: x + half_width,
            bottom: y + half_height,
        }
    }

    pub(super) fn grow(self, by: f64) -> Self {
        Self {
            left: self.left - by,
            top: self.top - by,
            right: self.right + by,
            bottom: self.bottom + by,
        }
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    pub(super) fn contains(&self, other: &Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }

    /// The point of the box that is nearest to `(x, y)`.
    pub(super) fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }

    fn is_hit_by(&self, line: Leader) -> bool {
        let corners = [(self.left, self.top), (self.right, self.bottom)];
        let others = [(self.left, self.bottom), (self.right, self.top)];
        self.nearest(line.0) == line.0
            || self.nearest(line.1) == line.1
            || cross((corners[0], corners[1]), line)
            || cross((others[0], others[1]), line)
    }
}

/// A straight line from a mark to its label.
pub(super) type Leader = ((f64, f64), (f64, f64));

/// One place that a label could take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) area: Rect,
    /// What is labelled.
    of: (f64, f64),
    /// Which side of its mark the label is on: -1 left, 0 centred, 1 right.
    pub(super) side: i8,
    /// Lower is liked better.
    pub(super) cost: f64,
    /// Where a line to the mark is drawn, if the label is not beside it.
    pub(super) leader: Option<Leader>,
}

/// What labels must keep clear of, and what they had better.
pub(super) struct Page {
    pub(super) frame: Rect,
    /// Marks and whiskers.
    marks: Vec<Rect>,
    /// Heights of lines that a label may cross if it must.
    lines: Vec<f64>,
    placed: Vec<Option<Candidate>>,
}

/// Space between two labels.
const CLEARANCE: f64 = 4.0;
const CROSSES_LINE: f64 = 14.0;
const LEADER_HITS: f64 = 150.0;
const CROWDS: f64 = 6.0;
const ROUNDS: usize = 6;

impl Page {
    pub(super) fn new(frame: Rect, marks: Vec<Rect>, lines: Vec<f64>) -> Self {
        Self { frame, marks, lines, placed: Vec::new() }
    }

    /// Takes the cheapest free candidate for each label, then lets each label move while the others stand still.
    pub(super) fn arrange(&mut self, labels: &[Vec<Candidate>]) -> Vec<Option<Candidate>> {
        let first = self.placed.len();
        self.placed.resize(first + labels.len(), None);
        for _ in 0..ROUNDS {
            for (i, candidates) in labels.iter().enumerate() {
                self.placed[first + i] = None;
                self.placed[first + i] = self.best(candidates);
            }
        }
        self.placed[first..].to_vec()
    }

    fn best(&self, candidates: &[Candidate]) -> Option<Candidate> {
        let free = candidates.iter().filter(|candidate| self.is_free(&candidate.area));
        let priced = free.map(|candidate| (self.cost(candidate), candidate));
        priced.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| *candidate)
    }

    fn taken(&self) -> impl Iterator<Item = &Rect> {
        self.marks.iter().chain(self.placed.iter().flatten().map(|placed| &placed.area))
    }

    fn leaders(&self) -> impl Iterator<Item = Leader> {
        self.placed.iter().flatten().filter_map(|placed| placed.leader)
    }

    fn is_free(&self, area: &Rect) -> bool {
        let clear = area.grow(CLEARANCE);
        self.frame.grow(1e-6).contains(&clear) && !self.taken().any(|taken| taken.overlaps(&clear))
    }

    fn cost(&self, candidate: &Candidate) -> f64 {
        let area = candidate.area;
        let near = area.grow(12.0);
        let crossed =
            self.lines.iter().filter(|&&y| area.top - 2.0 < y && y < area.bottom + 2.0).count();
        let foreign = |taken: &&Rect| taken.nearest(candidate.of) != candidate.of;
        let crowd = self.taken().filter(foreign).filter(|taken| taken.overlaps(&near)).count();
        let under = self.leaders().filter(|&leader| area.is_hit_by(leader)).count();
        let hits = under + candidate.leader.map_or(0, |leader| self.hits(leader));
        candidate.cost
            + CROSSES_LINE * crossed as f64
            + CROWDS * crowd as f64
            + LEADER_HITS * hits as f64
    }

    fn hits(&self, line: Leader) -> usize {
        let boxes = self.taken().filter(|taken| taken.is_hit_by(line)).count();
        boxes + self.leaders().filter(|&leader| cross(leader, line)).count()
    }
}

fn cross((a, b): Leader, (c, d): Leader) -> bool {
    let turn = |p: (f64, f64), q: (f64, f64), r: (f64, f64)| {
        (q.0 - p.0) * (r.1 - p.1) - (q.1 - p.1) * (r.0 - p.0) > 0.0
    };
    turn(a, b, c) != turn(a, b, d) && turn(c, d, a) != turn(c, d, b)
}

/// Places around a mark, near ones first, then ever farther ones.
pub(super) fn around(
    mark: (f64, f64),
    radius: f64,
    (width, height): (f64, f64),
) -> impl Iterator<Item = Candidate> {
    const SIDES: [(i8, i8, f64); 8] = [
        (1, 0, 0.0),
        (-1, 0, 3.0),
        (0, -1, 4.0),
        (0, 1, 5.0),
        (1, -1, 6.0),
        (1, 1, 6.5),
        (-1, -1, 7.0),
        (-1, 1, 7.5),
    ];
    const GAPS: [f64; 11] = [4.5, 8.0, 13.0, 24.0, 36.0, 50.0, 68.0, 90.0, 120.0, 160.0, 220.0];
    GAPS.into_iter().flat_map(move |gap| {
        SIDES.into_iter().map(move |(dx, dy, dislike)| {
            let diagonal = dx != 0 && dy != 0;
            let reach =
                (radius + gap) * if diagonal { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
            let centre = (
                mark.0 + f64::from(dx) * (reach + width / 2.0),
                mark.1 + f64::from(dy) * (reach + height / 2.0),
            );
            let area = Rect::around(centre, width / 2.0, height / 2.0);
            Candidate {
                area,
                of: mark,
                side: dx,
                cost: dislike + gap,
                leader: leader(mark, radius, &area, gap),
            }
        })
    })
}

/// Places all over `frame`, for a label that finds none around its mark.
pub(super) fn anywhere(
    frame: Rect,
    mark: (f64, f64),
    radius: f64,
    (width, height): (f64, f64),
) -> impl Iterator<Item = Candidate> {
    const COLUMNS: u32 = 24;
    const ROWS: u32 = 24;
    const DISLIKE: f64 = 60.0;
    let inner = frame.grow(-CLEARANCE);
    let (across, down) = (inner.right - inner.left - width, inner.bottom - inner.top - height);
    let share = |i: u32, of: u32| f64::from(i) / f64::from(of);
    (0..=COLUMNS).flat_map(move |column| {
        (0..=ROWS).map(move |row| {
            let left = inner.left + across * share(column, COLUMNS);
            let top = inner.top + down * share(row, ROWS);
            let area = Rect { left, top, right: left + width, bottom: top + height };
            let (x, y) = area.nearest(mark);
            let gap = (x - mark.0).hypot(y - mark.1) - radius;
            let side = if left > mark.0 { 1 } else { -1 };
            Candidate {
                area,
                of: mark,
                side,
                cost: DISLIKE + gap,
                leader: leader(mark, radius, &area, gap),
            }
        })
    })
}

fn leader(mark: (f64, f64), radius: f64, area: &Rect, gap: f64) -> Option<Leader> {
    let end = area.nearest(mark);
    let (dx, dy) = (end.0 - mark.0, end.1 - mark.1);
    let length = dx.hypot(dy);
    let start = (radius + 3.0) / length;
    (gap > 14.0 && start < 1.0).then_some(((mark.0 + dx * start, mark.1 + dy * start), end))
}

/// Places along a horizontal line from `left` to `right`, above and below it, its ends first.
pub(super) fn along(
    y: f64,
    left: f64,
    right: f64,
    (width, height): (f64, f64),
) -> impl Iterator<Item = Candidate> {
    const STEPS: u32 = 12;
    let room = (right - left - width).max(0.0);
    (0..=STEPS).flat_map(move |i| {
        let t = f64::from(i) / f64::from(STEPS);
        let from_end = t.min(1.0 - t) * 40.0 + if t < 0.5 { 3.0 } else { 0.0 };
        [(y - 3.0 - height / 2.0, 0.0), (y + 3.0 + height / 2.0, 5.0)].map(|(centre, dislike)| {
            let x = right - width / 2.0 - t * room;
            let area = Rect::around((x, centre), width / 2.0, height / 2.0);
            Candidate { area, of: (x, y), side: -1, cost: from_end + dislike, leader: None }
        })
    })
}

/// Moves sorted `heights` apart, as little as needed for `gap` between neighbours, and then into `low..=high`.
pub(super) fn apart(heights: &mut [f64], gap: f64, (low, high): (f64, f64)) {
    const ROUNDS: usize = 100;
    for _ in 0..ROUNDS {
        for i in 1..heights.len() {
            let short = (gap - (heights[i] - heights[i - 1])).max(0.0);
            heights[i - 1] -= short / 2.0;
            heights[i] += short / 2.0;
        }
    }
    let mut floor = low;
    for height in heights.iter_mut() {
        *height = height.max(floor);
        floor = *height + gap;
    }
    let mut ceiling = high;
    for height in heights.iter_mut().rev() {
        *height = height.min(ceiling);
        ceiling = *height - gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_crowd_keep_apart() {
        let frame = Rect { left: 0.0, top: 0.0, right: 800.0, bottom: 400.0 };
        let marks: Vec<(f64, f64)> =
            (0..8).map(|i| (400.0 + f64::from(i) * 9.0, 200.0 + f64::from(i % 3) * 8.0)).collect();
        let taken = marks.iter().map(|&mark| Rect::around(mark, 7.0, 7.0)).collect();
        let mut page = Page::new(frame, taken, vec![150.0]);
        let wanted: Vec<Vec<Candidate>> =
            marks.iter().map(|&mark| around(mark, 7.0, (90.0, 30.0)).collect()).collect();
        let placed: Vec<Rect> =
            page.arrange(&wanted).into_iter().flatten().map(|c| c.area).collect();
        assert_eq!(placed.len(), marks.len());
        for (i, a) in placed.iter().enumerate() {
            assert!(frame.contains(a));
            assert!(placed[..i].iter().all(|b| !a.overlaps(b)));
            assert!(marks.iter().all(|&mark| !a.overlaps(&Rect::around(mark, 7.0, 7.0))));
        }
    }

    #[test]
    fn neighbours_move_apart_and_stay_inside() {
        let mut heights = [50.0, 52.0, 54.0, 99.0];
        apart(&mut heights, 14.0, (0.0, 95.0));
        let wanted = [38.0, 52.0, 66.0, 95.0];
        assert!(
            heights.iter().zip(wanted).all(|(got, want)| (got - want).abs() < 0.01),
            "{heights:?}"
        );
        let mut low = [1.0, 1.0];
        apart(&mut low, 10.0, (0.0, 95.0));
        assert_eq!(low, [0.0, 10.0]);
    }

    #[test]
    fn no_room_is_said() {
        let frame = Rect { left: 0.0, top: 0.0, right: 50.0, bottom: 20.0 };
        let mut page = Page::new(frame, Vec::new(), Vec::new());
        assert!(page.arrange(&[around((25.0, 10.0), 7.0, (90.0, 30.0)).collect()])[0].is_none());
    }
}
