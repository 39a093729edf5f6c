import ts from 'typescript';

/** A piece of text to be put in at a place of the source. */
interface Insertion {
  readonly at: number;
  readonly text: string;
}

/**
 * JavaScript that counts the branches that it takes: each function, arm, turn of a loop, case and right side of a short circuit tells `globalThis.branches` its number.
 *
 * Lines stay where they are, so that the source maps still hold.
 */
export function instrument(file: string, source: string): string {
  const insertions: Insertion[] = [];
  let branches = 0;
  const hit = (): string => `$hit($at+${branches++})`;
  const insert = (at: number, text: string): void => {
    insertions.push({ at, text });
  };
  const before = (node: ts.Node): number => node.getStart(tree);
  const expression = (node: ts.Node): void => {
    insert(before(node), `(${hit()},`);
    descend(node);
    insert(node.end, ')');
  };
  const statement = (node: ts.Statement): void => {
    if (ts.isBlock(node)) {
      insert(before(node) + 1, `${hit()};`);
      descend(node);
    } else {
      insert(before(node), `{${hit()};`);
      visit(node);
      insert(node.end, '}');
    }
  };
  const descend = (node: ts.Node): void => node.forEachChild(visit);
  const visit = (node: ts.Node): void => {
    if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
      node.parameters.forEach(visit);
      expression(node.body);
    } else if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      for (const parameter of node.parameters) visit(parameter);
      statement(node.body as ts.Block);
    } else if (ts.isIfStatement(node)) {
      visit(node.expression);
      statement(node.thenStatement);
      if (node.elseStatement !== undefined) statement(node.elseStatement);
      else insert(node.end, `else{${hit()};}`);
    } else if (ts.isIterationStatement(node, false)) {
      node.forEachChild((child) => (child === node.statement ? statement(node.statement) : visit(child)));
    } else if (ts.isCaseOrDefaultClause(node)) {
      if (ts.isCaseClause(node)) visit(node.expression);
      insert(node.statements.length > 0 ? before(node.statements[0]!) : node.end, `${hit()};`);
      node.statements.forEach(visit);
    } else if (ts.isConditionalExpression(node)) {
      visit(node.condition);
      expression(node.whenTrue);
      expression(node.whenFalse);
    } else if (ts.isBinaryExpression(node) && shortCircuits.has(node.operatorToken.kind)) {
      visit(node.left);
      expression(node.right);
    } else descend(node);
  };
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, false, ts.ScriptKind.JS);
  descend(tree);
  // Of those at one place the first to be made stays the first: a parenthesis that opens does so outside of those within it.
  insertions.sort((a, b) => a.at - b.at);
  let text = '';
  let from = 0;
  for (const { at, text: added } of insertions) {
    text += source.slice(from, at) + added;
    from = at;
  }
  return `const{hit:$hit}=globalThis.branches,$at=globalThis.branches.range(${branches});${text}${source.slice(from)}`;
}

const shortCircuits: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
]);
