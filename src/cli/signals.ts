/**
 * The name of the first signal to stop. After it the process is as any other again: a second one ends it at once.
 *
 * `hangup` is called for each SIGHUP until then.
 */
export function stopSignal(hangup?: () => void): Promise<string> {
  return new Promise((resolve) => {
    const names = ['SIGINT', 'SIGTERM'] as const;
    const stop = (name: string): void => {
      for (const each of names) process.off(each, stop);
      if (hangup !== undefined) {
        // Nobody's to hear, it would end a process that is about to end in order.
        process.on('SIGHUP', () => {});
        process.off('SIGHUP', hangup);
      }
      resolve(name);
    };
    for (const name of names) process.on(name, stop);
    if (hangup !== undefined) process.on('SIGHUP', hangup);
  });
}
