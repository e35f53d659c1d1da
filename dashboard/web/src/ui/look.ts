// Light or dark: as the system says, until someone chooses here.

import { signal } from "@preact/signals";

type Look = "light" | "dark";
const KEPT = "classroomd.look";
const system = matchMedia("(prefers-color-scheme: dark)");

function kept(): Look | null {
  try {
    const found = localStorage.getItem(KEPT);
    return found === "light" || found === "dark" ? found : null;
  } catch {
    return null;
  }
}

export const look = signal<Look>(kept() ?? (system.matches ? "dark" : "light"));

function show(): void {
  document.documentElement.dataset["look"] = look.value;
}

system.addEventListener("change", () => {
  if (kept() === null) look.value = system.matches ? "dark" : "light";
  show();
});

export function changeLook(): void {
  look.value = look.value === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEPT, look.value);
  } catch {
    // The choice lasts as long as the page.
  }
  show();
}

show();
