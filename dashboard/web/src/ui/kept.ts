// What this browser keeps from one visit to the next, where it keeps anything.

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`classroomd.${name}`);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`classroomd.${name}`, value);
  } catch {
    // A private window keeps nothing: the choice lasts as long as the page.
  }
}
