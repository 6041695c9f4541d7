// The stage's geometry, without a page: from scenes to things and from things to the screen.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { aim } from "../../assets/display/aim.js";
import { Kept } from "../../assets/display/kept.js";
import { Camera } from "../../assets/stage/camera.js";
import { rectangle, strokeOutline, strokePieces, triangles, without, withoutAny } from "../../assets/stage/fog.js";
import { cornersOf, distanceToLine, inBox, inPolygon, rectAround, turned, twiceArea, union, upToHalfTurn } from "../../assets/stage/geometry.js";
import { hitsAt } from "../../assets/stage/hit.js";
import { levelFor, levelsWithin, sizeAt } from "../../assets/stage/levels.js";
import { feetAlong, inFeet, ruleOf } from "../../assets/stage/measure.js";
import {
  boxOf, entriesOf, extentOf, fogsOf, gridOf, healthOf, isEmpty, mapsOf, markersOf, placeOf, positionOf, snapped, tableOf, tokensOf,
} from "../../assets/stage/model.js";
import { Motion } from "../../assets/stage/motion.js";
import { initials } from "../../assets/stage/paint/things.js";
import { Passing, PING, POINTER } from "../../assets/stage/passing.js";
import { innerLinesOf, labelPlaceOf, outlineOf } from "../../assets/stage/shapes.js";

const DEMO = JSON.parse(readFileSync(new URL("../../scenes/5f0c6c1e-7d0a-4c1b-9a54-3f8f2f6f7a10.json", import.meta.url), "utf8"));
const PICTURE = { width: 3840, height: 2160 };

const near = (a, b, by = 1e-6) => assert.ok(Math.abs(a - b) <= by, `${a} is not ${b}`);
const nearPoint = (a, b, by) => { near(a.x, b.x, by); near(a.y, b.y, by); };

function cameraAt(values) {
  return Object.assign(new Camera(), values);
}

suite("geometry", () => {
  test("points turn clockwise on the screen", () => {
    nearPoint(turned({ x: 1, y: 0 }, 90), { x: 0, y: 1 });
    nearPoint(turned({ x: 3, y: 5 }, 180, { x: 2, y: 5 }), { x: 1, y: 5 });
    assert.deepEqual([190, -190, 540, 180, -180, 0].map(upToHalfTurn), [-170, 170, 180, 180, 180, 0]);
  });

  test("a turned box knows its corners and what is inside", () => {
    const box = { x: 10, y: 10, width: 8, height: 2, rotation: 90 };
    const around = rectAround(cornersOf(box));
    nearPoint(around, { x: 9, y: 6 });
    near(around.width, 2);
    near(around.height, 8);
    assert.ok(inBox(box, { x: 10, y: 13.9 }) && !inBox(box, { x: 13, y: 10 }));
    assert.equal(rectAround([]), null);
    assert.deepEqual(union([{ x: 0, y: 0, width: 1, height: 1 }, { x: 4, y: -2, width: 1, height: 1 }]), { x: 0, y: -2, width: 5, height: 3 });
  });

  test("a point on a polygon's edge is inside, and one where it overlaps itself", () => {
    const square = [{ x: 0, y: 0 }, { x: 4, y: 0 }, { x: 4, y: 4 }, { x: 0, y: 4 }];
    for (const point of [{ x: 2, y: 2 }, { x: 4, y: 2 }, { x: 0, y: 0 }]) assert.ok(inPolygon(square, point));
    assert.ok(!inPolygon(square, { x: 4.001, y: 2 }));
    assert.ok(inPolygon([...square].reverse(), { x: 1, y: 1 }));
    // A star: its middle is gone round twice.
    const star = [0, 144, 288, 72, 216].map((degrees) => turned({ x: 0, y: -5 }, degrees));
    assert.ok(inPolygon(star, { x: 0, y: 0 }));
    assert.ok(twiceArea(square) > 0 && twiceArea([...square].reverse()) < 0);
  });
});

suite("camera", () => {
  test("there and back is the same point, however it is turned", () => {
    for (const rotation of [0, 90, 180, 37.5]) {
      const camera = cameraAt({ x: 100, y: -50, zoom: 1.7, rotation, width: 800, height: 600 });
      nearPoint(camera.toScene(camera.toScreen({ x: 12, y: 34 })), { x: 12, y: 34 });
      nearPoint(camera.toScreen({ x: 100, y: -50 }), { x: 400, y: 300 });
      const [a, b, c, d, e, f] = camera.matrix(2);
      const screen = camera.toScreen({ x: 12, y: 34 });
      nearPoint({ x: a * 12 + c * 34 + e, y: b * 12 + d * 34 + f }, { x: screen.x * 2, y: screen.y * 2 }, 1e-6);
    }
  });

  test("what is under the finger stays there while zooming, and moves along while panning", () => {
    const camera = cameraAt({ x: 5, y: 6, zoom: 0.5, rotation: 90, width: 360, height: 640 });
    const finger = { x: 40, y: 500 };
    const there = camera.toScene(finger);
    camera.zoomBy(3, finger);
    nearPoint(camera.toScreen(there), finger);
    camera.pan(25, -10);
    nearPoint(camera.toScreen(there), { x: 65, y: 490 });
  });

  test("a rectangle fits as large as it goes, also on its side", () => {
    const rect = { x: 100, y: 100, width: 1600, height: 900 };
    const camera = cameraAt({ width: 1920, height: 1080 });
    camera.fit(rect);
    near(camera.zoom, 1.2);
    nearPoint(camera.toScreen({ x: 100, y: 100 }), { x: 0, y: 0 });
    camera.rotation = 90;
    camera.fit(rect);
    near(camera.zoom, 1080 / 1600);
    camera.rotation = 0;
    camera.fit(rect, 60);
    near(camera.zoom, Math.min(1800 / 1600, 960 / 900));
    const seen = camera.seen();
    assert.ok(seen.x <= 100 && seen.x + seen.width >= 1700);
  });

  test("numbers that went astray do not take the view with them", () => {
    const camera = cameraAt({ width: 800, height: 600 });
    camera.lookAt({ x: NaN, y: 3 });
    camera.zoomBy(Infinity);
    camera.zoomBy(-1);
    camera.zoomBy(1e9);
    assert.deepEqual([camera.x, camera.y], [0, 0]);
    assert.ok(camera.zoom > 0 && camera.zoom <= 40);
    camera.fit({ x: 0, y: 0, width: 0, height: 0 });
    assert.ok(Number.isFinite(camera.zoom));
  });
});

suite("scenes", () => {
  test("the demo's maps, tokens, areas and fog are where its author put them", () => {
    const grid = gridOf(DEMO);
    assert.deepEqual(tableOf(grid), { x: 0, y: 0, width: 1600, height: 900 });
    const [forest, crypt] = mapsOf(DEMO, grid);
    assert.deepEqual([forest.isHidden, forest.folder, crypt.isHidden], [true, "wilds", false]);
    assert.deepEqual(boxOf(crypt, PICTURE, grid), { x: 800, y: 450, width: 1600, height: 900, rotation: 0 });
    const tokens = tokensOf(DEMO, grid);
    assert.equal(tokens.length, 9);
    assert.deepEqual(
      { ...tokens[0], id: "" },
      { id: "", name: "Brenna", x: 625, y: 425, inCells: true, size: 50, isPlayer: true, isCurrent: true, health: "hurt", conditions: [], number: 0 });
    assert.equal(tokens[3].size, 100);
    assert.deepEqual(tokens.map(({ health }) => health), ["hurt", "unhurt", "hurt", "hurt", "hurt", "unhurt", "down", "unhurt", "bloodied"]);
    const [fireball, breath] = markersOf(DEMO, grid);
    assert.deepEqual([fireball.length, breath.shape, breath.isRevealed], [150, "cone", true]);
    assert.equal(fogsOf(DEMO, grid).length, 4);
    assert.deepEqual(extentOf(DEMO, grid, () => PICTURE), { x: 0, y: 0, width: 1600, height: 900 });
    assert.ok(!isEmpty(DEMO) && isEmpty({ id: "x", name: "y", maps: [] }) && isEmpty(null));
  });

  test("a scene of SpellTable's older version counts in pixels", () => {
    const scene = {
      maps: [{ name: "a.png", data: { position: { x: 300, y: 200 }, scale: 0.5, rotation: 90, isHidden: false } }],
      gridSettings: { showGrid: true, gridSize: 70 },
      aoeMarkers: [{ id: "m", shape: "line", sizeInFeet: 30, color: "#fff", position: { x: 10, y: 20 }, rotation: 0, opacity: 0.5 }],
    };
    const grid = gridOf(scene);
    assert.equal(grid.cell, 70);
    const [map] = mapsOf(scene, grid);
    assert.deepEqual(boxOf(map, { width: 400, height: 100 }, grid), { x: 300, y: 200, width: 200, height: 50, rotation: 90 });
    const extent = extentOf(scene, grid, () => ({ width: 400, height: 100 }));
    near(extent.x, 275);
    near(extent.height, 200);
    assert.deepEqual([markersOf(scene, grid)[0].length, markersOf(scene, grid)[0].breadth], [420, 70]);
    // Nothing known of the picture yet: the table.
    assert.deepEqual(extentOf({ ...scene, aoeMarkers: [] }, grid, () => null), { x: 0, y: 0, width: 32 * 70, height: 18 * 70 });
  });

  test("whatever stands in a scene, nothing throws", () => {
    const odd = [null, undefined, 3, "x", [], {}, { x: "a", y: NaN }, [null, 3, "x", {}, []], true];
    for (const value of odd) {
      for (const key of ["maps", "initiativeOrder", "aoeMarkers", "fogOfWar", "gridSettings"]) {
        const scene = { [key]: value };
        const grid = gridOf(scene);
        for (const read of [mapsOf, tokensOf, markersOf, fogsOf]) assert.ok(Array.isArray(read(scene, grid)));
        assert.ok(Number.isFinite(extentOf(scene, grid, () => null).width));
        assert.ok(Array.isArray(entriesOf(scene)));
      }
      const scene = {
        gridSettings: { gridSize: value, useFixedGrid: true, gridCellsX: value, gridCellsY: value, gridColor: value, gridOpacity: value },
        maps: [{ name: "a", data: value }, { name: "b", data: { position: value, scale: value, rotation: value } }],
        initiativeOrder: [{ id: value, name: value, mapPosition: value, hp: value, initialHP: value, tokenFootprint: value, tokenSize: value, conditions: value }],
        aoeMarkers: [{ shape: value, sizeInFeet: value, color: value, position: { x: 1, y: 2 }, rotation: value, opacity: value, label: value }],
        fogOfWar: [{ points: value, color: value }, { points: [value, value, value] }],
      };
      const grid = gridOf(scene);
      assert.ok(grid.cell > 0 && grid.columns >= 1 && grid.columns <= 1000);
      for (const { scale } of mapsOf(scene, grid)) assert.ok(scale > 0);
      for (const marker of markersOf(scene, grid)) for (const { x, y } of outlineOf(marker)) assert.ok(Number.isFinite(x + y));
      tokensOf(scene, grid);
      fogsOf(scene, grid);
    }
  });

  test("colours are colours and nothing else", () => {
    const colorOf = (gridColor) => gridOf({ gridSettings: { gridColor } }).color;
    for (const good of ["#fff", "#12345678", "red", "rgb(1, 2, 3)", "hsla(10, 50%, 50%, 0.5)"]) assert.equal(colorOf(good), good);
    for (const bad of ["url(x)", "", "#ggg", 7, "red;", "var(--x)"]) assert.equal(colorOf(bad), "#ffffff");
  });

  test("health is what the server says of monsters, and the same by points", () => {
    const of = (entry) => healthOf({ isKilled: false, ...entry });
    assert.deepEqual(
      [{ health: "bloodied" }, { hp: 10, initialHP: 20 }, { hp: 11, initialHP: 20 }, { hp: "20", initialHP: "20" }, { hp: 0 }, { hp: 3 }, {}, { isKilled: true, hp: 9 }, { health: "fine" }].map(of),
      ["bloodied", "bloodied", "hurt", "unhurt", "down", "unhurt", null, "down", null]);
  });

  test("two maps of one name are two", () => {
    const scene = { maps: [{ name: "a" }, { name: "a" }, { name: "b" }] };
    assert.deepEqual(mapsOf(scene, gridOf(scene)).map(({ key, nth }) => [key, nth]), [["0 a", 0], ["1 a", 1], ["0 b", 0]]);
  });

  test("tokens stand in cells, large ones on their lines", () => {
    const grid = gridOf(DEMO);
    assert.deepEqual(snapped({ x: 631, y: 409 }, 50, grid), { x: 625, y: 425 });
    assert.deepEqual(snapped({ x: 631, y: 409 }, 100, grid), { x: 650, y: 400 });
    assert.deepEqual(positionOf({ x: 625, y: 425 }, grid, true), { x: 12.5, y: 8.5 });
    assert.deepEqual(placeOf({ x: 12.5, y: 8.5, useGridCoordinates: true }, grid), { x: 625, y: 425 });
    assert.deepEqual(placeOf({ x: 12.5, y: 8.5 }, grid), { x: 12.5, y: 8.5 });
    assert.equal(placeOf({ x: "1", y: 2 }, grid), null);
  });

  test("a token without a name has a sign too, and goblins are told apart", () => {
    assert.deepEqual(["", "Ghoul", "Orrin of the Lamp", "goblin 3", "Goblin #12", "Ärmel é"].map(initials), ["?", "G", "OL", "G3", "G12", "ÄÉ"]);
  });
});

suite("areas", () => {
  const area = (shape, more = {}) => ({ shape, x: 100, y: 100, length: 60, breadth: 10, rotation: 0, ...more });
  const around = (marker) => rectAround(outlineOf(marker));

  test("all six shapes have the size that the rules give them", () => {
    for (const shape of ["circle", "cylinder"]) {
      const { x, y, width, height } = around(area(shape));
      nearPoint({ x, y }, { x: 40, y: 40 }, 0.1);
      near(width, 120, 0.2);
      near(height, 120, 0.2);
    }
    for (const shape of ["square", "cube"]) assert.deepEqual(around(area(shape)), { x: 70, y: 70, width: 60, height: 60 });
    assert.deepEqual(around(area("line")), { x: 100, y: 95, width: 60, height: 10 });
    const cone = outlineOf(area("cone"));
    assert.deepEqual(cone[0], { x: 100, y: 100 });
    // As broad at its end as it is long, within what the round end takes.
    near(around(area("cone")).height, 2 * 60 * Math.sin(Math.atan(0.5)), 0.1);
    near(around(area("cone")).width, 60, 0.1);
  });

  test("areas turn about where they start", () => {
    const line = around(area("line", { rotation: 90 }));
    nearPoint(line, { x: 95, y: 100 });
    near(line.height, 60);
    assert.ok(inPolygon(outlineOf(area("cone", { rotation: 180 })), { x: 60, y: 100 }));
    assert.ok(!inPolygon(outlineOf(area("cone", { rotation: 180 })), { x: 140, y: 100 }));
    const square = around(area("square", { rotation: 45 }));
    near(square.width, 60 * Math.SQRT2, 1e-6);
  });

  test("bodies differ from flat areas, and words stand on the upper edge", () => {
    const lines = Object.fromEntries(["circle", "cylinder", "square", "cube"].map((shape) => [shape, innerLinesOf(area(shape)).length]));
    assert.deepEqual(lines, { circle: 0, cylinder: 1, square: 0, cube: 5 });
    nearPoint(labelPlaceOf(area("square")), { x: 100, y: 70 });
  });
});

suite("fog", () => {
  const L = [[0, 0], [100, 0], [100, 40], [40, 40], [40, 100], [0, 100]].map(([x, y]) => ({ x, y }));
  const room = rectangle({ x: 100, y: 100 }, { x: 0, y: 0 });
  /** Points that lie on no edge of what is tested here. */
  const points = Array.from({ length: 400 }, (_, i) => ({ x: -9.3 + (i % 20) * 6.13, y: -8.7 + Math.floor(i / 20) * 6.07 }));
  const covers = (pieces, point) => pieces.some((piece) => inPolygon(piece, point));
  const area = (pieces) => pieces.reduce((sum, piece) => sum + Math.abs(twiceArea(piece)) / 2, 0);

  test("what is uncovered is open, and nothing else", () => {
    const hole = rectangle({ x: 20, y: 30 }, { x: 70, y: 60 });
    const pieces = without(room, hole);
    near(area(pieces), 10_000 - 1_500);
    for (const point of points) assert.equal(covers(pieces, point), inPolygon(room, point) && !inPolygon(hole, point), JSON.stringify(point));
    assert.deepEqual(without(room, rectangle({ x: 200, y: 0 }, { x: 300, y: 90 })), [room]);
    assert.deepEqual(without(room, rectangle({ x: -10, y: -10 }, { x: 110, y: 110 })), []);
  });

  test("polygons of any form are taken out of polygons of any form", () => {
    near(area(triangles(L)), 6_400);
    assert.equal(triangles([...L].reverse()).length, 4);
    const star = [0, 72, 144, 216, 288].flatMap((degrees) => [turned({ x: 50, y: 8 }, degrees, { x: 50, y: 50 }), turned({ x: 50, y: 38 }, degrees + 36, { x: 50, y: 50 })]);
    const pieces = withoutAny(L, star);
    for (const point of points) assert.equal(covers(pieces, point), inPolygon(L, point) && !inPolygon(star, point), JSON.stringify(point));
    // A hole at a time: the rest of the rest.
    const twice = pieces.flatMap((piece) => without(piece, rectangle({ x: 0, y: 0 }, { x: 30, y: 30 })));
    for (const point of points) if (point.x < 30 && point.y < 30) assert.ok(!covers(twice, point));
  });

  test("a brush covers its way, as one polygon or in pieces", () => {
    const way = [{ x: 10, y: 10 }, { x: 80, y: 20 }, { x: 60, y: 70 }, { x: 10, y: 30 }, { x: 80, y: 20 }];
    const outline = strokeOutline(way, 12);
    for (const point of points) {
      const away = distanceToLine(way, point);
      // The round ends have corners.
      if (Math.abs(away - 12) < 0.3) continue;
      assert.equal(inPolygon(outline, point), away < 12, `${JSON.stringify(point)} ${away}`);
      assert.equal(covers(strokePieces(way, 12), point), away < 12);
    }
    assert.equal(strokePieces([], 5).length, 0);
    assert.ok(inPolygon(strokeOutline([{ x: 3, y: 3 }], 5), { x: 6, y: 3 }));
    const rest = strokePieces(way, 12).reduce((left, piece) => left.flatMap((one) => without(one, piece)), [room]);
    for (const point of points) {
      if (Math.abs(distanceToLine(way, point) - 12) < 0.3) continue;
      assert.equal(covers(rest, point), inPolygon(room, point) && distanceToLine(way, point) > 12, JSON.stringify(point));
    }
  });
});

suite("hits", () => {
  const grid = gridOf(DEMO);
  const things = {
    tokens: tokensOf(DEMO, grid), markers: markersOf(DEMO, grid), fogs: fogsOf(DEMO, grid),
    maps: mapsOf(DEMO, grid).map((map) => ({ ...map, box: boxOf(map, PICTURE, grid) })),
  };
  const at = (x, y, reach = 0) => hitsAt(things, { x: x * 50, y: y * 50 }, reach);

  test("the topmost comes first: a token, the area under it, the map", () => {
    assert.deepEqual(at(18.5, 7.5).map(({ kind, thing }) => thing.label ?? thing.name ?? kind), ["Cult Acolyte", "Fireball", "crypt.jpg", "forest-road.jpg"]);
    assert.deepEqual(at(28, 4).map(({ kind }) => kind), ["fog", "map", "map"]);
    assert.equal(at(12.5, 8.5)[0].key, `token:${DEMO.initiativeOrder[0].id}`);
    assert.deepEqual(at(-3, -3), []);
  });

  test("of tokens on one place the one comes first that is painted last", () => {
    const on = (more) => ({ ...things.tokens.find(({ isPlayer }) => !isPlayer), x: 50, y: 50, isCurrent: false, health: null, ...more });
    const first = (...tokens) => hitsAt({ ...things, fogs: [], tokens }, { x: 50, y: 50 }, 0)[0].id;
    assert.equal(first(on({ id: "a" }), on({ id: "b" })), "b");
    assert.equal(first(on({ id: "a", isCurrent: true }), on({ id: "b" })), "a");
    assert.equal(first(on({ id: "a" }), on({ id: "b", health: "down" })), "a");
  });

  test("fingers reach a little farther, and the nearest counts", () => {
    assert.equal(at(12.5, 9.2)[0].kind, "map");
    assert.equal(at(12.2, 9.1, 45)[0].thing.name, "Brenna");
    assert.equal(at(11.9, 9.3, 45)[0].thing.name, "Wren Ashdown");
  });
});

suite("distances", () => {
  const way = (...points) => points.map(([x, y]) => ({ x: x * 50, y: y * 50 }));
  const feet = (mode, diagonals, ...points) => feetAlong(way(...points), 50, { mode, diagonals });

  test("diagonals count as the scene says", () => {
    const far = [[0, 0], [4, 3]];
    assert.equal(feet("dnd", "fiveFeet", ...far), 20);
    assert.equal(feet("dnd", "tenFeet", ...far), 35);
    assert.equal(feet("dnd", "alternating", ...far), 25);
    assert.equal(feet("euclidean", "fiveFeet", ...far), 25);
    // Every second diagonal step is long, also across a corner of the way.
    assert.equal(feet("dnd", "alternating", [0, 0], [1, 1], [2, 2]), 15);
    assert.equal(feet("dnd", "alternating", [0, 0], [2, 2]), 15);
    assert.equal(feet("dnd", "fiveFeet", [3, 3]), 0);
  });

  test("the rule comes from the grid's settings", () => {
    assert.deepEqual(ruleOf({ gridSettings: { distanceMode: "euclidean", dndDiagonalRule: "tenFeet" } }), { mode: "euclidean", diagonals: "tenFeet" });
    assert.deepEqual(ruleOf({ gridSettings: { dndDiagonalRule: "fiveFeet" } }), { mode: "dnd", diagonals: "fiveFeet" });
    assert.deepEqual(ruleOf({}), { mode: "dnd", diagonals: "tenFeet" });
    assert.deepEqual(ruleOf(null), { mode: "dnd", diagonals: "tenFeet" });
    assert.deepEqual([inFeet(30), inFeet(7.071)], ["30 ft", "7.1 ft"]);
  });
});

suite("motion", () => {
  test("what jumps glides there and comes to rest", () => {
    const motion = new Motion();
    motion.aim("t", { x: 0, y: 0 }, 0);
    motion.aim("t", { x: 100, y: 0 }, 1_000);
    const places = [1_000, 1_050, 1_100, 1_200].map((now) => motion.at("t", now).x);
    assert.ok(places[0] === 0 && places[1] > 50 && places[2] > places[1] && places[3] === 100, String(places));
    assert.ok(motion.isMoving(1_100) && !motion.isMoving(1_200));
  });

  test("a stream of news is followed without falling back", () => {
    const motion = new Motion();
    motion.aim("t", { x: 0, y: 0 }, 0);
    for (let i = 1; i <= 40; i++) motion.aim("t", { x: i * 10, y: 0 }, 1_000 + i * 50);
    // Where the news before the last had it, when the last comes, and there one step later.
    near(motion.at("t", 3_000).x, 390, 1);
    near(motion.at("t", 3_025).x, 395, 1);
    assert.equal(motion.at("t", 3_050).x, 400);
    for (let i = 41; i <= 80; i++) motion.aim("t", { x: i * 10, y: 0 }, 3_000 + (i - 40) * 16);
    assert.equal(motion.at("t", 3_640).x, 800, "news with every frame are shown as they come");
    motion.aim("t", { x: 900, y: 0 }, 3_680);
    assert.equal(motion.at("t", 3_680).x, 900, "also when one of them is late");
  });

  test("things turn the short way, and nothing glides for whom movement disturbs", () => {
    const motion = new Motion();
    motion.aim("m", { x: 0, y: 0, rotation: 350, scale: 1 }, 0);
    motion.aim("m", { x: 0, y: 0, rotation: 10, scale: 2 }, 1_000);
    const { rotation } = motion.at("m", 1_040);
    assert.ok(rotation > 350 && rotation < 370, String(rotation));
    motion.still = true;
    motion.aim("m", { x: 9, y: 9, rotation: 0, scale: 1 }, 2_000);
    assert.deepEqual(motion.at("m", 2_000), { x: 9, y: 9, rotation: 0, scale: 1 });
    motion.keep(new Set());
    assert.equal(motion.at("m", 2_000), null);
  });
});

suite("pictures", () => {
  test("a picture is decoded as fine as it is looked at, and never beyond what memory bears", () => {
    const levels = [1, 0.6, 0.5, 0.25, 0.01].map((scale) => levelFor(scale, PICTURE, 2 ** 24));
    assert.deepEqual(levels, [0, 0, 1, 2, 6]);
    assert.equal(levelFor(4, { width: 16_384, height: 16_384 }, 2 ** 24), 2);
    assert.equal(levelFor(0, PICTURE, 2 ** 24), 1);
    assert.deepEqual(sizeAt({ width: 1001, height: 1 }, 3), { width: 125, height: 1 });
  });

  test("the largest give way first when all together are too much", () => {
    const small = { size: { width: 100, height: 100 }, level: 0 };
    const large = { size: { width: 4000, height: 4000 }, level: 0 };
    assert.deepEqual(levelsWithin(1e9, [small, large]), [0, 0]);
    assert.deepEqual(levelsWithin(5e6, [small, large]), [0, 2]);
    assert.deepEqual(levelsWithin(0, [{ size: { width: 1, height: 1 }, level: 0 }]), [0]);
  });
});

suite("what passes", () => {
  test("pings and pointers fade, and a new one of the same hand takes the old one's place", () => {
    const passing = new Passing();
    const at = (now) => ({ x: 1, y: 2, at: now, name: "Ada", color: "#fff" });
    passing.ping(at(0));
    passing.point("ada", at(0));
    passing.point("ada", at(1_000));
    assert.equal(passing.pointers.size, 1);
    assert.ok(passing.fade(PING - 1) && passing.pings.length === 1);
    assert.ok(passing.fade(PING) && passing.pings.length === 0);
    assert.ok(!passing.fade(1_000 + POINTER));
    for (let i = 0; i < 100; i++) passing.ping(at(i));
    assert.ok(passing.pings.length <= 24);
  });
});

suite("a screen's view", () => {
  const scene = { extent: { x: 0, y: 0, width: 1600, height: 900 }, cell: 50, inch: null };
  const camera = () => cameraAt({ width: 1920, height: 1080 });

  test("shows everything, the GM's frame, and turns", () => {
    const one = camera();
    aim(one, {}, scene);
    near(one.zoom, 1.2);
    aim(one, { view: { x: 400, y: 200, width: 800, height: 450 } }, scene);
    near(one.zoom, 2.4);
    nearPoint(one, { x: 800, y: 425 });
    aim(one, { rotation: 90, view: null }, scene);
    assert.equal(one.rotation, 90);
    near(one.zoom, 1080 / 1600);
    for (const view of [[1, 2, 3, 4], { x: 1, y: 2 }, { x: 1, y: 2, width: 0, height: 4 }, { x: "a", y: 1, width: 2, height: 3 }, "x"]) {
      aim(one, { view }, scene);
      near(one.zoom, 1.2);
    }
  });

  test("in true size a cell is an inch, in the middle of the frame", () => {
    const one = camera();
    aim(one, { view: { x: 400, y: 200, width: 800, height: 450 } }, { ...scene, inch: 80 });
    near(one.zoom * 50, 80);
    nearPoint(one, { x: 800, y: 425 });
  });

  test("remembers its table and its measure, also where nothing can be stored", () => {
    const stored = new Map();
    const storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value), removeItem: (key) => stored.delete(key) };
    const kept = new Kept(storage);
    assert.deepEqual([kept.table, kept.inch, kept.isTrueSize], [null, 96, false]);
    kept.table = { id: "main", name: "Main table" };
    kept.inch = 81.5;
    const again = new Kept(storage);
    assert.deepEqual([again.table, again.inch], [{ id: "main", name: "Main table" }, 81.5]);
    again.table = null;
    assert.equal(new Kept(storage).table, null);
    stored.set("tablekeep.display/inch", "not JSON");
    assert.equal(again.inch, 96);
    const full = new Kept({ ...storage, setItem: () => { throw new Error("full"); } });
    full.table = { id: "main", name: "Main table" };
    assert.equal(new Kept(undefined).table, null);
  });
});
