// The number to ring when something is wrong.

import { t } from "../i18n";

export function Phone({ number }: { number: string }) {
  if (number === "") return null;
  const [before, after] = t("help.phone", { phone: "\u0000" }).split("\u0000");
  return (
    <p class="help-phone">
      {before}
      <a href={`tel:${number.replace(/[^+\d]/g, "")}`} dir="ltr">
        {number}
      </a>
      {after}
    </p>
  );
}
