import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { ResolvedConfig, ResolvedRoute } from './resolved.js';
import type { DecoderOption } from './types.js';

/**
 * What bridge and workers must agree on, as 64 bits: how a record is decoded and routed, under which ID it is started,
 * and how its payloads are converted. A worker that disagrees sends quarantined records through otherwise than the
 * bridge would, or can't read what the bridge has started.
 *
 * Functions count by their source text, without regard to white space: what they close over is not seen. Credentials
 * and keys never go into it.
 */
export function fingerprintOf(
  config: Pick<ResolvedConfig, 'name' | 'idPrefix' | 'routes' | 'onUnrouted' | 'temporal'>,
): string {
  const agreed = {
    name: config.name,
    idPrefix: config.idPrefix,
    onUnrouted: config.onUnrouted,
    routes: config.routes.map(routeParts),
    dataConverter: converterParts(config.temporal.dataConverter),
  };
  return createHash('sha256').update(JSON.stringify(agreed)).digest('hex').slice(0, 16);
}

function routeParts(route: ResolvedRoute) {
  const { target } = route;
  return {
    id: route.id,
    topic: String(route.topic),
    eventTypes: route.eventTypes && [...route.eventTypes].sort(),
    eventTypeFrom: route.eventTypeFrom,
    decoder: decoderText(route.decoder),
    key: typeof route.key === 'function' ? sourceText(route.key) : route.key,
    filter: route.filter && sourceText(route.filter),
    missingKey: route.missingKey,
    onConflict: route.onConflict,
    target:
      target.kind === 'workflow' ? ['workflow', target.workflow] : ['activity', target.activity.activity],
  };
}

function decoderText(decoder: DecoderOption): string {
  if (typeof decoder === 'string') return decoder;
  if (typeof decoder === 'function') return sourceText(decoder);
  // Without what a URL may carry of a password.
  return `${decoder.type} ${decoder.url.replace(/\/\/[^/@]*@/, '//')}`;
}

/** Bridge and worker may stand in different folders: a module counts by its content, an object by its functions. */
function converterParts(converter: ResolvedConfig['temporal']['dataConverter']) {
  if (converter === undefined) return undefined;
  return {
    payload: moduleText(converter.payloadConverterPath),
    failure: moduleText(converter.failureConverterPath),
    codecs: (converter.payloadCodecs ?? []).map(functionsText),
    externalStorage: 'externalStorage' in converter && converter.externalStorage !== undefined,
  };
}

function moduleText(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return withoutSpace(readFileSync(path, 'utf8'));
  } catch {
    return basename(path); // the loader finds what we don't: it still names it
  }
}

function functionsText(codec: object): readonly string[] {
  const { constructor } = codec;
  const own = Object.entries(codec)
    .filter(([, value]) => typeof value === 'function')
    .map(([name, value]) => `${name} ${sourceText(value as object)}`)
    .sort();
  return constructor === undefined || constructor === Object ? own : [sourceText(constructor), ...own];
}

/** Of a function or a class. */
function sourceText(of: object): string {
  return withoutSpace(Function.prototype.toString.call(of));
}

function withoutSpace(text: string): string {
  return text.replace(/\s+/g, '');
}
