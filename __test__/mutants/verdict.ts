/** What became of a mutant. */
export type Verdict =
  | { readonly outcome: 'killed' }
  /** `survived`: the named test passes; `invalid`: it says nothing about the guard, because something else is broken */
  | { readonly outcome: 'survived' | 'invalid'; readonly why: string }

export const killed: Verdict = { outcome: 'killed' }

export function survived(why: string): Verdict {
  return { outcome: 'survived', why }
}

/** @param text what a program printed; its end is shown. */
export function invalid(why: string, text = ''): Verdict {
  return { outcome: 'invalid', why: [why, ...text.trim().split('\n').slice(-12)].join('\n    ').trim() }
}
