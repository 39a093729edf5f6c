import type { Env } from '../../core/env.ts';
import { type BlockwiseLayer, blockwise } from '../blockwise/layer.ts';
import type { Layer } from '../layer.ts';
import type { DerivedParameters } from '../messaging/parameters.ts';
import { type QBlockLayer, qBlock } from '../qblock/layer.ts';
import type { EndpointChanges, EndpointOptions } from './options.ts';

/** The layers of an endpoint that move bodies. */
export class BodyLayers {
  readonly #blockwise: BlockwiseLayer;
  readonly #outer: BlockwiseLayer | undefined;
  readonly #qBlock: QBlockLayer | undefined;
  /** The size of a body is bounded for robust transfer by itself. */
  readonly #qBlockBound: boolean;

  /** @param secured - whether OSCORE stands below */
  constructor(options: Pick<EndpointOptions, 'blockwise' | 'qBlock'>, secured: boolean, parameters: DerivedParameters, env: Env) {
    this.#blockwise = blockwise(options.blockwise ?? {}, env);
    this.#outer = secured ? blockwise({ ...options.blockwise, name: 'outer' }, env) : undefined;
    this.#qBlock = options.qBlock && qBlock({ ...options.blockwise, ...options.qBlock }, parameters, env, this.#blockwise);
    this.#qBlockBound = options.qBlock?.maxBody !== undefined;
  }

  /** Above OSCORE. */
  get inner(): Layer {
    return this.#qBlock ?? this.#blockwise;
  }

  /** Below OSCORE, where there is that. */
  get outer(): readonly Layer[] {
    return this.#outer === undefined ? [] : [this.#outer];
  }

  adjust({ maxBody, qBlock: isOffered }: EndpointChanges): void {
    if (maxBody !== undefined) {
      for (const layer of [this.#blockwise, this.#outer]) layer?.bound(maxBody);
      if (!this.#qBlockBound) this.#qBlock?.bound(maxBody);
    }
    if (isOffered !== undefined) this.#qBlock?.offer(isOffered);
  }

  stats(): Readonly<Record<string, number>> {
    const layers = { blockwise: this.#blockwise, outerBlockwise: this.#outer, qBlock: this.#qBlock };
    return Object.assign({}, ...Object.entries(layers).map(([name, layer]) => prefixed(name, layer?.stats() ?? {})));
  }

  close(): void {
    this.#qBlock?.close();
    this.#blockwise.close();
    this.#outer?.close();
  }
}

/** What a layer holds, under its name. */
export function prefixed(prefix: string, stats: object): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(stats).map(([name, value]) => [`${prefix}.${name}`, value as number]));
}
