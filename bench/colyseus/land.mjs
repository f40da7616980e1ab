// Who stands where, and who is near whom: the same walk and view for both forms of the Colyseus server.

/** Metres of one input: 5 m/s at 20 inputs per second. */
const STEP_M = 0.25;

/** A square land; players walk on it and never leave it. */
export class Land {
  /** @param {number} sideM @param {number} viewM farthest that anybody is looked for */
  constructor(sideM, viewM) {
    this.sideM = sideM;
    this.cellM = viewM;
    this.columns = Math.ceil(sideM / viewM) || 1;
    /** @type {{ x: number, y: number, heading: Float32Array | null }[]} */
    this.walkers = [];
    /** @type {number[][]} walkers by cell */
    this.cells = Array.from({ length: this.columns ** 2 }, () => []);
  }

  /** Somebody comes; gives his number. */
  add(random) {
    const place = () => 1 + random() * (this.sideM - 2);
    this.walkers.push({ x: place(), y: place(), heading: null });
    return this.walkers.length - 1;
  }

  /** Everybody goes one step along the last input, which is then spent. */
  step() {
    for (const walker of this.walkers) {
      if (walker.heading === null) continue;
      walker.x = this.#within(walker.x + walker.heading[0] * STEP_M);
      walker.y = this.#within(walker.y + walker.heading[1] * STEP_M);
      walker.heading = null;
    }
    for (const cell of this.cells) cell.length = 0;
    this.walkers.forEach((walker, number) => this.cells[this.#cell(walker.x, walker.y)].push(number));
  }

  /** Calls for each whom this one is at most so far from, himself too. */
  near(number, distanceM, call) {
    const { x, y } = this.walkers[number];
    const last = this.columns - 1;
    const column = (at) => Math.min(last, Math.max(0, Math.floor(at / this.cellM)));
    for (let row = column(y - distanceM); row <= column(y + distanceM); row++) {
      for (let col = column(x - distanceM); col <= column(x + distanceM); col++) {
        for (const other of this.cells[row * this.columns + col]) {
          const dx = this.walkers[other].x - x;
          const dy = this.walkers[other].y - y;
          if (dx * dx + dy * dy <= distanceM * distanceM) call(other);
        }
      }
    }
  }

  #within(at) {
    return Math.min(this.sideM, Math.max(0, at));
  }

  #cell(x, y) {
    const column = (at) => Math.min(this.columns - 1, Math.floor(at / this.cellM));
    return column(y) * this.columns + column(x);
  }
}
