// The picture of an order, drawn beside the table of its events: each mark lies in the
// middle of its row, wherever the browser has put that.

import { svg } from './dom.js';

const radius = 7.5;

// glyphs are what is in a mark, around 0,0, by an event's kind or word. Their shapes
// alone tell them apart.
const glyphs = {
  done: 'M-3.6 .2L-1.2 2.8L3.6-2.8',
  finished: 'M-3.6 .2L-1.2 2.8L3.6-2.8',
  failed: 'M-3-3L3 3M3-3L-3 3',
  timedout: 'M0-4V0L2.8 1.8',
  expired: 'M0-4V0L2.8 1.8',
  scheduled: 'M0-4V0L2.8 1.8',
  undo: 'M3.5 2.5V0A2 2 0 0 0 1.5-2H-3M-.6-4.4L-3-2L-.6 .4',
  undone: 'M3.5 2.5V0A2 2 0 0 0 1.5-2H-3M-.6-4.4L-3-2L-.6 .4',
  skipped: 'M-3.4-3L-.4 0L-3.4 3M.6-3L3.6 0L.6 3',
  paused: 'M-1.8-3V3M1.8-3V3',
  resumed: 'M-1.8-3.2L3 0L-1.8 3.2Z',
  stuck: 'M0-3.6V.8M0 2.8V3.6',
  cancelled: 'M-3 3L3-3',
  rejected: 'M-3.2 0H3.2',
  ask: 'M-2-2.8L1.6 0L-2 2.8',
  command: 'M-2-2.8L1.6 0L-2 2.8',
};
const solid = ['done', 'finished', 'failed', 'timedout', 'expired', 'undone', 'skipped', 'stuck', 'cancelled'];

function mark(row, x, y, i) {
  const name = row.word ?? row.kind;
  const kind = row.kind === 'command' ? 'command' : name in glyphs ? name : row.kind;
  const body = kind === 'command' ? svg('path', { class: 'body', d: 'M0-9.5L9.5 0L0 9.5L-9.5 0Z' })
    : kind === 'stuck' ? svg('path', { class: 'body', d: 'M-3.7-9H3.7L9-3.7V3.7L3.7 9H-3.7L-9 3.7V-3.7Z' })
      : svg('circle', { class: 'body', r: radius });
  return svg('g', { class: `mark is-${kind} ${solid.includes(kind) ? 'solid' : ''}`, transform: `translate(${x} ${y})`, 'data-row': i },
    svg('circle', { class: 'reach', r: 14 }), body, kind in glyphs && svg('path', { class: 'glyph', d: glyphs[kind] }));
}

// draw gives the drawing of a picture whose rows are at those heights, the marks' middles;
// head is the height of the table's head, and lane the width of one.
export function draw(picture, { middles, head, height, lane, slanted, label }) {
  const x = new Map(picture.lanes.map((name, i) => [name, Math.round((i + 0.5) * lane)]));
  const width = picture.lanes.length * lane;
  const bottom = height;
  const y = (row) => (row === null ? bottom : middles[row]);
  const of = (row) => x.get(picture.rows[row].lane);

  const lanes = picture.lanes.map((name) => svg('g', { class: 'lane' },
    svg('line', { x1: x.get(name), x2: x.get(name), y1: head, y2: bottom }),
    slanted
      ? svg('text', { transform: `translate(${x.get(name) + 3} ${head - 6}) rotate(-52)` }, name)
      : svg('text', { x: x.get(name), y: head - 12, 'text-anchor': 'middle' }, name)));

  const pauses = picture.pauses.map(({ from, to }) =>
    svg('rect', { class: 'pause', x: 1, width: width - 2, y: y(from), height: Math.max(0, y(to) - y(from)) }));

  const bars = picture.bars.flatMap((bar) => {
    const at = x.get(bar.lane);
    const from = x.get(picture.rows[bar.from].lane);
    const kind = `work is-${bar.outcome}${bar.undoing ? ' undoing' : ''}`;
    const end = bar.to === null ? bottom : y(bar.to);
    return [
      svg('path', { class: `arrow ${bar.undoing ? 'undoing' : ''}`, 'data-from': bar.from, 'data-to': bar.to ?? bar.from,
        d: `M${from + (at > from ? radius + 1 : -radius - 1)} ${y(bar.from)}H${at + (at > from ? -5 : 5)}`, 'marker-end': 'url(#head)' }),
      svg('rect', { class: kind, x: at - 3, width: 6, y: y(bar.from), height: Math.max(4, end - y(bar.from)), 'data-from': bar.from, 'data-to': bar.to ?? bar.from }),
      bar.to !== null && picture.rows[bar.to].lane !== bar.lane && // given up by another: the saga, when the time is over
        svg('path', { class: 'arrow timer', d: `M${at} ${y(bar.to)}H${of(bar.to) + radius + 3}`, 'data-from': bar.from, 'data-to': bar.to }),
      bar.late !== null && svg('path', { class: 'arrow late', d: `M${at} ${y(bar.to)}V${y(bar.late)}`, 'data-from': bar.from, 'data-to': bar.late }),
    ];
  });

  const arrows = picture.arrows.map(({ from, to, timer }) => {
    const [xa, ya, xb, yb] = [of(from), y(from), of(to), y(to)];
    const side = xb > xa ? 1 : -1;
    const across = yb - 16; // between two rows, where no mark lies
    let d = `M${xa} ${ya + radius}V${across - 6}Q${xa} ${across} ${xa + side * 6} ${across}H${xb - side * 6}Q${xb} ${across} ${xb} ${across + 5}V${yb - radius - 2}`;
    if (xa === xb && to === from + 1) d = `M${xa} ${ya + radius}V${yb - radius - 2}`;
    else if (xa === xb) d = `M${xa - radius} ${ya}C${xa - 0.42 * lane} ${ya + 8} ${xb - 0.42 * lane} ${yb - 8} ${xb - radius - 2} ${yb}`;
    return svg('path', { class: `arrow ${timer ? 'timer' : ''}`, d, 'marker-end': 'url(#head)', 'data-from': from, 'data-to': to });
  });

  const marks = picture.rows.map((row, i) => mark(row, of(i), y(i), i));
  return svg('svg', { class: 'drawing', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label },
    svg('defs', {}, svg('marker', { id: 'head', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: 'userSpaceOnUse', orient: 'auto' },
      svg('path', { class: 'head', d: 'M0 0.5L7 4L0 7.5Z' }))),
    pauses, lanes, arrows, bars, marks);
}
