// What the gateway tells of an operation in `extensions`: its cost, and the
// calls it made to the services behind it, as a waterfall.

import { addFact, duration } from './answer.js';
import { byId, element } from './dom.js';

/**
 * Shows `cost` (`requested` of `max`) and `trace.calls`, each with `service`, `method`, `target`,
 * `field`, `parents`, `status` or `failure`, `cache`, `startedMs` and `tookMs`.
 */
export function showCalls(extensions) {
  const calls = extensions?.trace?.calls;
  const cost = extensions?.cost;
  if (cost) addFact(`cost ${cost.requested}`, `Of at most ${cost.max}`);
  if (calls) addFact(`${calls.length} call${calls.length === 1 ? '' : 's'}`, 'Calls to the services behind the gateway');
  byId('calls-tab').dataset.count = calls?.length || '';
  const end = Math.max(0.001, ...(calls ?? []).map((call) => call.startedMs + call.tookMs));
  const empty = calls ? 'No calls were needed.'
    : 'No trace. The gateway adds one to answers to POST, for callers that may see it.';
  byId('calls').replaceChildren(calls?.length
    ? element('ol.waterfall', {}, ...calls.map((call) => row(call, end)))
    : element('p.empty', {}, empty));
}

function row(call, end) {
  const isBad = !call.status || call.status >= 400;
  const { cache } = call;
  const bar = element(`div.took${isBad ? '.bad' : cache === 'hit' ? '.hit' : ''}`);
  // Set by script, which the content security policy allows, unlike a style attribute.
  bar.style.marginLeft = `${(100 * call.startedMs) / end}%`;
  bar.style.width = `${(100 * call.tookMs) / end}%`;
  const what = `${call.field}${call.parents > 1 ? ` × ${call.parents}` : ''}`;
  return element('li', { title: [call.target, what, call.failure].join('\n') },
    element('b', {}, call.service),
    element('code', {}, element('span.keyword', {}, call.method), ` ${call.target}`),
    element(`span.fact.${isBad ? 'bad' : 'good'}`, {}, call.status ?? 'failed'),
    element('small', {}, what),
    element('div.track', {}, element('div', {}, bar), element('small', {}, duration(call.tookMs))),
    element(cache === 'hit' ? 'span.fact.good' : 'span.fact', {}, cache ?? ''));
}
