"""The storefront with a page more, which uses the one that customers see: it presses the buttons, and prints what the page then says."""

import sys

from flask import request

from storefront import app

DRIVER = """
<iframe src="/?as=hedy"></iframe>
<script>
  const frame = document.querySelector("iframe");
  const said = () => [...frame.contentDocument.querySelectorAll("#progress li")].map((line) => line.textContent);
  const until = async (enough) => { while (!enough(said())) await new Promise((go) => setTimeout(go, 20)); };
  frame.onload = async () => {
    frame.contentDocument.querySelector("[data-sku=map]").click();
    await until((lines) => lines.length == 1);
    frame.contentDocument.querySelector("#buy").click();
    await until((lines) => lines.some((line) => line == "ORDER_STATUS_SHIPPED") || lines.length == 2 && !lines[1].startsWith("ORDER_"));
    await fetch("/said", {method: "POST", body: said().join("; ")});
  };
</script>
"""


@app.get("/driver")
def driver() -> str:
    return DRIVER


@app.post("/said")
def said() -> str:
    print(f"the page says: {request.get_data(as_text=True)}", flush=True)
    return ""


app.run(port=int(sys.argv[1]))
