import { number, type Spread } from './row.ts';

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The smallest and the largest, drawn as a whisker. */
  readonly spread?: Spread | undefined;
  /** Ours is drawn in colour. */
  readonly ours?: boolean;
}

export interface Group {
  readonly label: string;
  readonly bars: readonly Bar[];
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** All groups have one scale; otherwise each has its own, and bars compare within their group. */
  readonly oneScale: boolean;
  readonly groups: readonly Group[];
}

const width = 760;
const left = 150;
/** Room for the figure behind the longest bar. */
const right = 120;
const barHeight = 16;
const lineHeight = 22;
const groupHead = 28;
const top = 44;

// A page shows it as an image, which has no colours of the page around it.
const style = `text { font: 13px system-ui, sans-serif; fill: #1f2328; } .title { font-weight: 600; font-size: 15px; } .group { font-weight: 600; }
    .ours { fill: #0969da; } .peer { fill: #9aa4af; } .whisker { stroke: #1f2328; }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .ours { fill: #4493f8; } .peer { fill: #6e7681; } .whisker { stroke: #e6edf3; } }`;

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const largest = ({ bars }: Group): number => Math.max(...bars.map(({ value, spread }) => Math.max(value, spread?.[1] ?? 0)));

/** Horizontal bars in groups, as a picture of its own. */
export function drawChart({ title, unit, oneScale, groups }: Chart): string {
  const all = Math.max(...groups.map(largest));
  const parts: string[] = [];
  let y = top;
  for (const group of groups) {
    const scale = (width - left - right) / (oneScale ? all : largest(group));
    parts.push(`<text class="group" x="0" y="${y + 14}">${escaped(group.label)}</text>`);
    y += groupHead;
    for (const { label, value, spread, ours } of group.bars) {
      const at = (of: number): string => (left + of * scale).toFixed(1);
      const middle = y + barHeight / 2;
      const end = Math.max(value, spread?.[1] ?? 0);
      parts.push(
        `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escaped(label)}</text>`,
        `<rect class="${ours === true ? 'ours' : 'peer'}" x="${left}" y="${y}" width="${(value * scale).toFixed(1)}" height="${barHeight}" rx="2"/>`,
        `<text x="${(left + end * scale + 8).toFixed(1)}" y="${y + 13}">${number(value)}</text>`,
      );
      if (spread !== undefined) {
        const [from, to] = spread.map(at);
        parts.push(`<path class="whisker" d="M${from} ${middle}H${to}M${from} ${middle - 4}v8M${to} ${middle - 4}v8"/>`);
      }
      y += lineHeight;
    }
    y += 6;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="${escaped(title)}">
  <style>
    ${style}
  </style>
  <text class="title" x="0" y="18">${escaped(title)}</text>
  <text x="0" y="36">${escaped(unit)}</text>
  ${parts.join('\n  ')}
</svg>
`;
}
