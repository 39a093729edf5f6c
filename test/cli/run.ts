import type { ChildProcess } from 'node:child_process';

/** What a run of the command line gave. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came. */
  readonly bytes: Uint8Array;
}

export interface RunOptions {
  /**
   * `true`: in a process of its own, where what another run left behind in this one could help. `false`: in this one although the command is one that goes on,
   * because its words are refused.
   */
  readonly process?: boolean;
  readonly cwd?: string;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Called with all of standard output so far, each time when more came. */
  readonly onOutput?: (stdout: string, child: ChildProcess) => void;
}
