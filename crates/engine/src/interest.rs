//! Who sees whom: the entities of one area sorted into square cells once per tick.

use pangea_world::space::Rect;

/// Most cells per side: a large map gets larger cells.
const MOST_CELLS: i32 = 256;

/// One entity as the grid holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Which entity.
    pub id: u16,
    /// Where it stands, centimetres.
    pub x: i32,
    /// Where it stands, centimetres.
    pub y: i32,
}

/// Cells of one area, row by row, and the entities sorted by cell (a counting sort).
#[derive(Debug)]
pub struct Grid {
    x0_cm: i32,
    y0_cm: i32,
    cell_cm: i32,
    columns: i32,
    rows: i32,
    /// Per cell: where its entities begin; one more at the end.
    begins: Vec<u32>,
    sorted: Vec<Seen>,
}

impl Grid {
    /// An empty grid over an area in metres, for a view of `view_m`.
    pub fn new(extent: Rect, view_m: u32) -> Self {
        let (width, height) = (extent.x1 - extent.x0, extent.y1 - extent.y0);
        let cell_m = (view_m as i32 / 2).max(8).max(width.max(height) / MOST_CELLS + 1);
        let (columns, rows) = (width / cell_m + 1, height / cell_m + 1);
        Self {
            x0_cm: extent.x0.saturating_mul(100),
            y0_cm: extent.y0.saturating_mul(100),
            cell_cm: cell_m * 100,
            columns,
            rows,
            begins: vec![0; (columns * rows) as usize + 1],
            sorted: Vec::new(),
        }
    }

    /// Sorts these entities in; what was there before is forgotten.
    pub fn fill(&mut self, entities: &[Seen]) {
        self.begins.fill(0);
        for seen in entities {
            let cell = self.cell(seen.x, seen.y);
            self.begins[cell] += 1;
        }
        let mut sum = 0;
        for begin in &mut self.begins {
            sum += *begin;
            *begin = sum;
        }
        self.sorted.resize(entities.len(), Seen::default());
        // From the end of each cell to its begin: afterwards `begins` says where each cell begins.
        for seen in entities {
            let cell = self.cell(seen.x, seen.y);
            self.begins[cell] -= 1;
            self.sorted[self.begins[cell] as usize] = *seen;
        }
    }

    /// All entities in the cells that a circle touches, slice by slice; some lie outside the circle.
    pub fn near(&self, x: i32, y: i32, radius_cm: i32) -> impl Iterator<Item = &[Seen]> {
        let low = (x.saturating_sub(radius_cm), y.saturating_sub(radius_cm));
        self.within(low, (x.saturating_add(radius_cm), y.saturating_add(radius_cm)))
    }

    /// All entities in the cells that a rectangle touches, slice by slice; some lie outside it. Centimetres.
    pub fn within(&self, low: (i32, i32), high: (i32, i32)) -> impl Iterator<Item = &[Seen]> {
        let (first, last) = (self.column(low.0), self.column(high.0));
        let (top, bottom) = (self.row(low.1), self.row(high.1));
        (top..=bottom).map(move |row| {
            let line = row * self.columns;
            let (begin, end) =
                (self.begins[(line + first) as usize], self.begins[(line + last) as usize + 1]);
            &self.sorted[begin as usize..end as usize]
        })
    }

    fn column(&self, x: i32) -> i32 {
        (x.saturating_sub(self.x0_cm) / self.cell_cm).clamp(0, self.columns - 1)
    }

    fn row(&self, y: i32) -> i32 {
        (y.saturating_sub(self.y0_cm) / self.cell_cm).clamp(0, self.rows - 1)
    }

    fn cell(&self, x: i32, y: i32) -> usize {
        (self.row(y) * self.columns + self.column(x)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn nobody_within_the_circle_is_missed(
            points in proptest::collection::vec((-5_000i32..15_000, 0i32..20_000), 0..80),
            x in -5_000i32..15_000, y in 0i32..20_000, radius in 0i32..8_000, view_m in 8u32..100,
        ) {
            let mut grid = Grid::new(Rect { x0: -50, y0: 0, x1: 150, y1: 200 }, view_m);
            let seen = |(i, p): (usize, &(i32, i32))| Seen { id: i as u16, x: p.0, y: p.1 };
            let all: Vec<Seen> = points.iter().enumerate().map(seen).collect();
            grid.fill(&all);
            let mut found: Vec<u16> = grid.near(x, y, radius).flatten().map(|s| s.id).collect();
            found.sort_unstable();
            let whole = found.len();
            found.dedup();
            assert_eq!(found.len(), whole, "nobody twice");
            for (i, p) in points.iter().enumerate() {
                let (dx, dy) = (i64::from(p.0 - x), i64::from(p.1 - y));
                if dx * dx + dy * dy <= i64::from(radius) * i64::from(radius) {
                    assert!(found.contains(&(i as u16)), "{p:?} is missing");
                }
            }
        }
    }
}
