import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import ts from 'typescript';
import { root } from '../support/fixtures.ts';

const snapshot = join(root, 'test', 'repo', 'public-api.txt');

function kindOf(symbol: ts.Symbol): string {
  if (symbol.flags & ts.SymbolFlags.Class) return 'class';
  if (symbol.flags & ts.SymbolFlags.Function) return 'function';
  if (symbol.flags & ts.SymbolFlags.Variable) return 'const';
  return 'type';
}

/** One line for each exported name of each subpath: kind, name, and for a function its signature. */
function publicApi(): string {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, string> };
  const entries = Object.entries(exports).map(([subpath, file]) => [subpath, join(root, file.replace(/\.js$/, '.d.ts'))] as const);
  const program = ts.createProgram(
    entries.map(([, file]) => file),
    { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2022, skipLibCheck: true, types: ['node'] },
  );
  const checker = program.getTypeChecker();
  const lines: string[] = [];
  for (const [subpath, file] of entries) {
    const source = program.getSourceFile(file);
    const module = source && checker.getSymbolAtLocation(source);
    assert.ok(source && module, `${subpath}: ${file} exports nothing`);
    lines.push(subpath === '.' ? 'ace-coap' : `ace-coap${subpath.slice(1)}`);
    for (const exported of checker.getExportsOfModule(module).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const kind = kindOf(symbol);
      const type = kind === 'function' ? checker.typeToString(checker.getTypeOfSymbol(symbol), source, ts.TypeFormatFlags.NoTruncation) : '';
      lines.push(`  ${kind} ${exported.name}${type === '' ? '' : `: ${type}`}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

test('public API: as the committed snapshot says (ACE_UPDATE_SNAPSHOT=1 npm test -- public-api writes it)', () => {
  const now = publicApi();
  if (process.env['ACE_UPDATE_SNAPSHOT'] === '1') writeFileSync(snapshot, now);
  assert.equal(now, readFileSync(snapshot, 'utf8'));
});
