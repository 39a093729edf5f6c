/** Lines of shell that call `ace-coap`, tried against the command line without doing what they say. */
import type { Command } from 'commander';
import { program } from '../../src/cli/program.ts';

interface Leaf {
  /** The words that lead to it. */
  readonly path: string;
  readonly command: Command;
}

/** The commands that do something. */
function leavesOf(command: Command, path: readonly string[] = []): readonly Leaf[] {
  const below = command.commands.flatMap((one) => leavesOf(one, [...path, one.name()]));
  return command.commands.length === 0 || command.registeredArguments.length > 0 ? [{ path: path.join(' '), command }, ...below] : below;
}

/** What the calls of ace-coap in a line have as arguments. */
export function callsIn(line: string): readonly (readonly string[])[] {
  const words = [...line.matchAll(/'[^']*'|"[^"]*"|\$\([^)]*\)|[^\s'"]+/g)].map(([word]) => word);
  const calls: string[][] = [];
  let call: string[] | undefined;
  for (const word of words) {
    if (word.startsWith('#')) break;
    if (word === 'ace-coap') calls.push((call = []));
    else if (/^(?:\||&|&&|\d?>>?)$/.test(word)) call = undefined;
    else call?.push(word.replace(/^(['"])(.*)\1$/s, '$2'));
  }
  return calls;
}

/** The whole command line, in which commands take their options and do nothing. */
export function idleProgram(): { readonly ace: Command; readonly leaves: readonly Leaf[]; readonly parse: (args: readonly string[]) => string | undefined } {
  const ace = program('0');
  const leaves = leavesOf(ace);
  let ran: string | undefined;
  for (const { path, command } of leaves)
    command.action(() => {
      ran = path;
    });
  return {
    ace,
    leaves,
    // Which command takes these arguments; throws what commander throws where none does.
    parse: (args) => {
      ran = undefined;
      ace.parse([...args], { from: 'user' });
      return ran;
    },
  };
}
