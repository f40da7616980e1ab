// Whether a client knows whom it should: everybody within its view, nobody far beyond it, each where he is.

/** Metres by which two ways of saying the same place may differ beside what the form rounds. */
const NOISE_M = 0.01;

/**
 * Compares what one knows with who stands where.
 * @param {Map<number, { x: number, y: number }>} known
 * @param {{ number: number, x: number, y: number }[]} walkers
 * @param {{ nearM: number, farM: number, roundM: number }} rule all within `nearM` must be known, none beyond
 * `farM` may be; `roundM` is what the form rounds
 */
export function compare(known, me, walkers, rule) {
  const wrong = [];
  let right = 0;
  for (const { number, x, y } of walkers) {
    const distance = Math.hypot(x - me.x, y - me.y);
    const told = known.get(number);
    if (!told) {
      if (distance <= rule.nearM - NOISE_M) wrong.push(`${me.number} does not know ${number}, ${distance} m away`);
    } else if (distance > rule.farM + NOISE_M) {
      wrong.push(`${me.number} knows ${number}, ${distance} m away`);
    } else if (Math.hypot(told.x - x, told.y - y) > NOISE_M + rule.roundM) {
      wrong.push(`${me.number} takes ${number} to be at ${told.x}, ${told.y} instead of ${x}, ${y}`);
    } else {
      right++;
    }
  }
  const there = new Set(walkers.map(({ number }) => number));
  for (const number of known.keys()) {
    if (!there.has(number)) wrong.push(`${me.number} knows ${number}, who is not there`);
  }
  return { right, wrong };
}
