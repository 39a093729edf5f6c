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

interface Entry {
  readonly name: string;
  readonly source: ts.SourceFile;
  readonly symbols: readonly ts.Symbol[];
}

/** What each subpath exports, in the order of its names. */
function publicEntries(): { readonly entries: readonly Entry[]; readonly checker: ts.TypeChecker; readonly program: ts.Program } {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, string> };
  const files = Object.entries(exports).map(([subpath, file]) => [subpath, join(root, file.replace(/\.js$/, '.d.ts'))] as const);
  const program = ts.createProgram(
    files.map(([, file]) => file),
    {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      // As in tsconfig.json: that of a browser alone takes longer to read than all of ours.
      lib: ['lib.es2023.d.ts'],
      skipLibCheck: true,
      types: ['node'],
    },
  );
  const checker = program.getTypeChecker();
  const entries = files.map(([subpath, file]) => {
    const source = program.getSourceFile(file);
    const module = source && checker.getSymbolAtLocation(source);
    assert.ok(source && module, `${subpath}: ${file} exports nothing`);
    const exported = [...checker.getExportsOfModule(module)].sort((a, b) => (a.name < b.name ? -1 : 1));
    return { name: `ace-coap${subpath.slice(1)}`, source, symbols: exported };
  });
  return { entries, checker, program };
}

const { entries, checker, program } = publicEntries();
const resolved = (symbol: ts.Symbol): ts.Symbol => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);

/** One line for each exported name of each subpath: kind, name, and for a function its signature. */
function publicApi(): string {
  const lines: string[] = [];
  for (const { name, source, symbols } of entries) {
    lines.push(name);
    for (const exported of symbols) {
      const symbol = resolved(exported);
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

test('public API: every exported name has a comment (`npm run docs` asks it of methods and accessors too)', () => {
  const isSaid = (symbol: ts.Symbol): boolean => symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0;
  const silent = entries.flatMap(({ name, symbols }) => symbols.filter((symbol) => !isSaid(resolved(symbol))).map((symbol) => `${name} ${symbol.name}`));
  assert.deepEqual(silent, []);
});

/** Packages that have to be there for the types of a file; `@types/name` where those of a package stand there. */
function packagesOf(source: ts.SourceFile): readonly string[] {
  return ts.preProcessFile(source.text).importedFiles.flatMap(({ fileName: name }) => {
    if (/^(?:node:|\.|ace-coap)/.test(name)) return [];
    const { resolvedModule } = ts.resolveModuleName(name, source.fileName, program.getCompilerOptions(), ts.sys, undefined, undefined, ts.ModuleKind.ESNext);
    const [, found = `nowhere: ${name}`] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(resolvedModule?.resolvedFileName ?? '') ?? [];
    return [found];
  });
}

test('public API: its types need no package that does not come with it', () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, object>;
  const own = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(join(root, 'dist')));
  assert.ok(own.length > 100);
  const needed = own.flatMap((source) => packagesOf(source).map((name) => ({ name, file: source.fileName })));
  assert.ok(needed.some(({ name }) => name === 'jose'));
  assert.deepEqual(
    needed.filter(({ name }) => !Object.hasOwn(dependencies!, name) && !Object.hasOwn(peerDependencies!, name)),
    [],
  );
});

test('public API: its types do without the packages that are optional, also where declarations of libraries are checked', () => {
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { peerDependencies: Record<string, string> };
  const options = { ...program.getCompilerOptions(), skipLibCheck: false };
  const host = ts.createCompilerHost(options);
  host.resolveModuleNameLiterals = (literals, file) =>
    literals.map(({ text }) =>
      Object.hasOwn(peerDependencies, text)
        ? { resolvedModule: undefined }
        : ts.resolveModuleName(text, file, options, host, undefined, undefined, ts.ModuleKind.ESNext),
    );
  const theirs = program.getSourceFiles().filter((source) => packagesOf(source).some((name) => Object.hasOwn(peerDependencies, name)));
  const own = theirs.map(({ fileName }) => fileName).filter((name) => name.startsWith(join(root, 'dist')));
  assert.deepEqual(own, [join(root, 'dist/src/adapters/node-coap/listener.d.ts')]);
  const without = ts.createProgram(own, options, host, program);
  const faults = own.flatMap((name) => without.getSemanticDiagnostics(without.getSourceFile(name)!));
  assert.deepEqual(
    faults.map(({ messageText }) => messageText),
    [],
  );
});

/** The name that a node of a declaration mentions a type by. */
function mentioned(node: ts.Node): ts.Node | undefined {
  if (ts.isTypeReferenceNode(node)) return node.typeName;
  if (ts.isExpressionWithTypeArguments(node)) return node.expression;
  if (ts.isImportTypeNode(node)) return node.qualifier;
  return undefined;
}

/** The types that a declaration mentions, in all that it is made of. */
function mentions(declaration: ts.Node): readonly ts.Symbol[] {
  const found: ts.Symbol[] = [];
  const visit = (node: ts.Node): void => {
    const name = mentioned(node);
    const symbol = name && checker.getSymbolAtLocation(name);
    if (symbol !== undefined) found.push(resolved(symbol));
    ts.forEachChild(node, visit);
  };
  visit(declaration);
  return found;
}

test('public API: what is exported mentions only types that some subpath exports too', () => {
  const isOurs = ({ declarations = [] }: ts.Symbol): boolean => declarations.some((node) => node.getSourceFile().fileName.startsWith(join(root, 'dist/')));
  const known = new Set(entries.flatMap(({ symbols }) => symbols.map(resolved)));
  // A member of a type, as in `Code.Content`, is there with the type; so are the parameters of a type.
  const isType = ({ flags }: ts.Symbol): boolean =>
    (flags & ts.SymbolFlags.Type) !== 0 && (flags & (ts.SymbolFlags.TypeParameter | ts.SymbolFlags.EnumMember)) === 0;
  const missing = [...known].filter(isOurs).flatMap((symbol) =>
    symbol
      .declarations!.flatMap(mentions)
      .filter((type) => isType(type) && isOurs(type) && !known.has(type))
      .map((type) => `${symbol.name} mentions ${type.name}`),
  );
  assert.ok(known.size > 1000, `expected the API to be read, got ${known.size} names`);
  assert.deepEqual([...new Set(missing)], []);
});
