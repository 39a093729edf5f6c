/**
 * The interop matrix. A test declares what it proves, with whom and over what; the run collects the declarations with what came of the tests, so that the table
 * says nothing that did not happen in that run.
 */
import { type TestContext, test } from 'node:test';
import { alignedTable } from '../support/aligned-table.ts';

export type PeerName = 'libcoap' | 'aiocoap' | 'Californium' | 'node-coap' | 'OpenSSL' | 'GnuTLS' | 'pion/dtls' | 'node-dtls-client' | 'dcaf';
export type Role = 'client' | 'server' | 'proxy';
export type Transport = 'UDP' | 'TCP' | 'WebSockets';
export type Security = 'none' | 'OSCORE' | 'DTLS PSK' | 'DTLS RPK' | 'DTLS X.509';

/** The columns, in their order. */
const features = [
  'handshake',
  'methods',
  'errors',
  'discovery',
  'separate response',
  'NON',
  'observe',
  'block-wise',
  'Q-Block',
  'proxy',
  'Echo',
  'algorithms',
  'Appendix B.2',
  'ACE',
  'adapter',
  'connection IDs',
  'resumption',
] as const;
export type Feature = (typeof features)[number];

/** Where a test stands in the matrix. */
export interface Place {
  readonly peer: PeerName;
  /** Of the peer; where it is not said, the name of the test tells. */
  readonly role?: Role;
  readonly transport: Transport;
  readonly security: Security;
}

export type Proof = Feature | readonly Feature[] | (Partial<Place> & { readonly feature: Feature | readonly Feature[] });

/** `test` of node:test, with what the test proves behind its name. */
export type PeerTest = (name: string, proof: Proof, run: (t: TestContext) => void | Promise<void>) => void;

interface Declared extends Required<Place> {
  readonly name: string;
  readonly features: readonly Feature[];
  /** What came of it, where it was no test of this run. */
  readonly passed?: boolean;
}

/** Set by the run, which takes the declarations out of what is printed. */
const asked = 'ACE_INTEROP_MATRIX';
const mark = 'interop-matrix ';

function roleOf(name: string): Role {
  if (!name.startsWith('our ')) return 'client';
  return /-> \S+ proxy ->/.test(name) ? 'proxy' : 'server';
}

/** Tests with one peer; what differs in one of them is said there. */
export function testsWith(place: Place): PeerTest {
  return (name, proof, run) => {
    const { feature, ...change } = typeof proof === 'object' && 'feature' in proof ? proof : { feature: proof };
    const declared: Declared = { role: roleOf(name), ...place, ...change, name, features: [feature].flat() };
    test(name, async (t) => {
      if (process.env[asked] === '1') t.diagnostic(mark + JSON.stringify(declared));
      await run(t);
    });
  };
}

/** Declare what tests of another process prove, which printed TAP. */
export function declareAll(t: TestContext, tap: string): void {
  const results = new Map([...tap.matchAll(/^(not ok|ok) \d+ - (.*)$/gm)].map(([, ok, name]) => [name, ok === 'ok']));
  for (const [, text] of tap.matchAll(new RegExp(`^# ${mark}(.*)$`, 'gm'))) {
    const declared = JSON.parse(text!) as Declared;
    t.diagnostic(mark + JSON.stringify({ ...declared, passed: results.get(declared.name) === true }));
  }
}

interface Cell extends Required<Place> {
  readonly feature: Feature;
  passed: number;
  failed: number;
}

/** What `fixtures/interop-matrix.json` holds. */
export interface Matrix {
  readonly date: string;
  readonly node: string;
  readonly versions: Readonly<Partial<Record<PeerName, string>>>;
  readonly cells: readonly Readonly<Cell>[];
}

/** Collects what a run of node:test tells. */
export class MatrixRun {
  readonly #results = new Map<string, boolean>();
  readonly #declared: Declared[] = [];

  constructor() {
    process.env[asked] = '1';
  }

  ended(name: string, passed: boolean): void {
    this.#results.set(name, passed && this.#results.get(name) !== false);
  }

  /** Whether a diagnostic is a declaration. */
  takes(message: string): boolean {
    if (!message.startsWith(mark)) return false;
    this.#declared.push(JSON.parse(message.slice(mark.length)) as Declared);
    return true;
  }

  cells(): readonly Cell[] {
    const cells = new Map<string, Cell>();
    for (const { name, features: proved, passed = this.#results.get(name), peer, role, transport, security } of this.#declared) {
      // A test that was skipped proves nothing.
      if (passed === undefined) continue;
      for (const feature of proved) {
        const cell = { peer, role, transport, security, feature, passed: 0, failed: 0 };
        const key = JSON.stringify(cell);
        const known = cells.get(key) ?? cell;
        if (passed) known.passed++;
        else known.failed++;
        cells.set(key, known);
      }
    }
    return [...cells.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, cell]) => cell);
  }
}

type Table = readonly (readonly string[])[];

function direction({ peer, role }: Cell, version: string | undefined): string {
  const named = version === undefined ? peer : `${peer} ${version}`;
  if (role === 'client') return `${named} client → ours`;
  return role === 'server' ? `ours → ${named} server` : `ours → ${named} proxy → ours`;
}

/** Heads and rows; a column in which there is nothing is left out. */
function tableOf({ versions }: Matrix, cells: readonly Cell[]): Table {
  const columns = features.filter((feature) => cells.some((cell) => cell.feature === feature));
  const rows = new Map<string, Map<Feature, string>>();
  for (const cell of cells) {
    const key = [direction(cell, versions[cell.peer]), cell.transport, cell.security].join('|');
    const row = rows.get(key) ?? new Map<Feature, string>();
    row.set(cell.feature, cell.failed === 0 ? String(cell.passed) : `fail: ${cell.failed} of ${cell.passed + cell.failed}`);
    rows.set(key, row);
  }
  const body = [...rows].map(([key, row]) => [...key.split('|'), ...columns.map((column) => row.get(column) ?? '')]);
  return [['', 'transport', 'security', ...columns], ...body];
}

function tables(matrix: Matrix): readonly Table[] {
  const overDtls = ({ security }: Cell): boolean => security.startsWith('DTLS');
  return [matrix.cells.filter((cell) => !overDtls(cell)), matrix.cells.filter(overDtls)]
    .filter((cells) => cells.length > 0)
    .map((cells) => tableOf(matrix, cells));
}

/** One line above the tables. */
function heading({ date, node }: Matrix): string {
  return `Node ${node}, ${date}. A figure is the number of cases that passed in that run; where nothing stands, no case covers it.`;
}

export function matrixText(matrix: Matrix): string {
  return [heading(matrix), ...tables(matrix).map(([heads, ...rows]) => alignedTable(heads!, rows))].join('\n\n');
}

/** As README.md shows it. */
export function matrixMarkdown(matrix: Matrix): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const made = tables(matrix).map(([heads, ...rows]) => [line(heads!), line(heads!.map(() => '---')), ...rows.map(line)].join('\n'));
  return [heading(matrix), ...made].join('\n\n');
}

/** One cell a line, so that a difference of two runs can be read. */
export function writeMatrix({ cells, ...about }: Matrix): string {
  const head = JSON.stringify(about, null, 2).replace(/\n}$/, ',\n  "cells": [\n');
  return `${head}${cells.map((cell) => `    ${JSON.stringify(cell)}`).join(',\n')}\n  ]\n}\n`;
}
