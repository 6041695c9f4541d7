//! Which places lie under fog.

use crate::json::{Node, NodeKind};
use std::cell::Cell;

/// Sides of fogs that are looked at for one view; behind that everything counts as covered. Far more
/// than any table has, and less than half a second.
const MAX_SIDES: usize = 20_000_000;

/// All fog of a scene.
pub(super) struct Fog {
    areas: Vec<Area>,
    /// Pixels per cell; `None` when the scene does not tell.
    cell: Option<f64>,
    left: Cell<usize>,
}

/// One polygon. A point on its edge is inside, and so is one where the polygon overlaps itself:
/// that is how browsers fill it.
struct Area {
    grid: bool,
    shape: Outline,
}

enum Outline {
    /// Cannot be read: covers everything.
    Unknown,
    Points {
        points: Vec<Point>,
        low: Point,
        high: Point,
    },
}

#[derive(Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
}

impl Fog {
    /// The fog in the list `fog` of a scene with these grid settings.
    pub(super) fn of(fog: Option<Node<'_>>, grid: Option<Node<'_>>) -> Self {
        let areas = match fog {
            Some(fog) if fog.kind() == NodeKind::Array => {
                fog.elements().filter_map(Area::of).collect()
            }
            Some(fog) if !fog.is_null() => vec![Area {
                grid: false,
                shape: Outline::Unknown,
            }],
            _ => Vec::new(),
        };
        let setting = |name: &str| grid.and_then(|grid| grid.get(name));
        // A fixed number of cells makes their size depend on the screen.
        let fixed = setting("useFixedGrid").is_some_and(|f| !matches!(f.raw(), "false" | "null"));
        let cell = setting("gridSize")
            .and_then(coordinate)
            .filter(|size| !fixed && *size > 0.0);
        Self {
            areas,
            cell,
            left: Cell::new(MAX_SIDES),
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// Looks at so many sides from now on.
    pub(super) fn look_at(&self, sides: usize) {
        self.left.set(sides);
    }

    /// Whether a position, `{x,y,useGridCoordinates?}`, lies under any fog. When that cannot be
    /// told, it does.
    pub(super) fn covers(&self, position: Node<'_>) -> bool {
        if self.areas.is_empty() {
            return false;
        }
        let Some(point) = Point::of(position) else {
            return true;
        };
        let grid = in_cells(position);
        self.areas.iter().any(|area| {
            let point = match (grid, area.grid, self.cell) {
                (true, true, _) | (false, false, _) => point,
                (_, _, None) => return true,
                (true, false, Some(cell)) => point.scaled(cell),
                (false, true, Some(cell)) => point.scaled(1.0 / cell),
            };
            area.shape.contains(point, &self.left)
        })
    }
}

impl Area {
    /// A fog of the scene; `None` when it has no points and so covers nothing.
    fn of(fog: Node<'_>) -> Option<Self> {
        let grid = in_cells(fog);
        let points = fog.get("points").filter(|points| !points.is_null())?;
        let is_list = points.kind() == NodeKind::Array;
        let parsed: Option<Vec<Point>> = points.elements().map(Point::of).collect();
        let shape = match parsed.filter(|_| is_list) {
            Some(points) => Outline::of(points)?,
            None => Outline::Unknown,
        };
        Some(Self { grid, shape })
    }
}

impl Outline {
    fn of(points: Vec<Point>) -> Option<Self> {
        let first = *points.first()?;
        let (low, high) = points.iter().fold((first, first), |(low, high), p| {
            (
                Point {
                    x: low.x.min(p.x),
                    y: low.y.min(p.y),
                },
                Point {
                    x: high.x.max(p.x),
                    y: high.y.max(p.y),
                },
            )
        });
        Some(Self::Points { points, low, high })
    }

    fn contains(&self, p: Point, left: &Cell<usize>) -> bool {
        let Self::Points { points, low, high } = self else {
            return true;
        };
        let beside = p.x < low.x || p.x > high.x || p.y < low.y || p.y > high.y;
        if beside {
            return false;
        }
        match left.get().checked_sub(points.len()) {
            Some(rest) => left.set(rest),
            None => return true,
        }
        // How often the polygon goes around the point: 0 is outside.
        let mut turns = 0i64;
        let nexts = points.iter().cycle().skip(1);
        for (a, b) in points.iter().zip(nexts) {
            // Which side of the line from a to b the point is on; 0 is on the line.
            let side = (b.x - a.x) * (p.y - a.y) - (p.x - a.x) * (b.y - a.y);
            let between = p.x >= a.x.min(b.x)
                && p.x <= a.x.max(b.x)
                && p.y >= a.y.min(b.y)
                && p.y <= a.y.max(b.y);
            if !side.is_finite() || (side == 0.0 && between) {
                return true;
            }
            if a.y <= p.y && b.y > p.y && side > 0.0 {
                turns += 1;
            } else if a.y > p.y && b.y <= p.y && side < 0.0 {
                turns -= 1;
            }
        }
        turns != 0
    }
}

impl Point {
    fn of(node: Node<'_>) -> Option<Self> {
        Some(Self {
            x: coordinate(node.get("x")?)?,
            y: coordinate(node.get("y")?)?,
        })
    }

    fn scaled(self, by: f64) -> Self {
        Self {
            x: self.x * by,
            y: self.y * by,
        }
    }
}

fn coordinate(node: Node<'_>) -> Option<f64> {
    let number = (node.kind() == NodeKind::Number).then(|| node.raw())?;
    number.parse().ok()
}

fn in_cells(node: Node<'_>) -> bool {
    let flag = node.get("useGridCoordinates");
    flag.is_some_and(|flag| flag.raw() == "true")
}
