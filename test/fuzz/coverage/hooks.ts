/** Hooks of `module.register`: our own modules are instrumented as they are loaded. */
import type { LoadHook } from 'node:module';
import { instrument } from './instrument.ts';

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (!/\/dist\/(?:src|profiles)\//.test(url) || loaded.source == null) return loaded;
  return { ...loaded, source: instrument(url, typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source)) };
};
