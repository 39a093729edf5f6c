/** The OpenID provider that the argument names: `sim-s`, or `oidc-provider` for the library with nothing of ours. */
import { startLibrary, startSimS } from '../oidc-contenders.ts';
import { serve } from './serve.ts';

const contender = process.argv[2] === 'sim-s' ? await startSimS() : await startLibrary();
serve(contender.port, contender.close, {
  ca: () => ({ ca: contender.ca }),
  codes: async (count) => {
    const codes: string[] = [];
    for (let i = 0; i < count; i++) codes.push(await contender.newCode());
    return { codes };
  },
});
