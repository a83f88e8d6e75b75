"""The status page in headless Chromium, beside a gateway with invented products (`clients/with-gateway`).

It shows what GetStatus says and follows the calls that are made. With SCREENSHOTS=FOLDER it leaves pictures there.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

GATEWAY = os.environ.get("GATEWAY", Path(__file__).resolve().parents[2] / "target/debug/stockroom")
PAGE = os.environ["STOCKROOM_ADMIN"]
# The page refreshes itself every three seconds.
LONGEST_WAIT_SECONDS = 30
PHONE, DESK = (390, 844), (1280, 1000)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    # Chromium's own sandbox needs rights that a container does not have; only the gateway's page is loaded.
    for argument in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"]:
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as browser:
        yield browser


@pytest.fixture(autouse=True)
def page(browser):
    browser.set_window_size(*DESK)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get(PAGE)


def stockroom(*arguments: str) -> str:
    return subprocess.run([GATEWAY, *arguments], check=True, capture_output=True, text=True).stdout


def status() -> dict:
    return json.loads(stockroom("status", "--json"))


def account(browser) -> str:
    return browser.find_element(By.CSS_SELECTOR, "[data-account=sandbox]").text


def says(account: dict) -> list[str]:
    """The parts of the page that an account of GetStatus becomes."""
    day, calls = account["day"], account["calls"]
    return [
        f"{day['left']:,} of {day['limit']:,} calls left",
        f"{account['currentCallsPerSecond']:g} of {account['callsPerSecond']:g} calls a second",
        f"{int(calls['answered']):,} answered, {int(calls['throttled'])} throttled, {int(calls['failed'])} failed",
        *account["marketplaces"],
    ]


def screenshot(browser, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(Path(folder) / f"{name}.png")


def test_it_shows_what_get_status_says_and_follows_the_calls_without_being_loaded_again(browser):
    before = status()
    assert before["version"] in browser.find_element(By.TAG_NAME, "h1").text
    assert browser.find_element(By.ID, "connection").text == "ready"
    for text in says(before["accounts"][0]):
        assert text in account(browser)
    browser.execute_script("window.isStillTheSame = true")
    for keywords in ["lamp", "kettle"]:
        stockroom("search", keywords)
    after = status()
    assert int(after["accounts"][0]["calls"]["answered"]) == int(before["accounts"][0]["calls"]["answered"]) + 2
    expected = says(after["accounts"][0])
    wait = WebDriverWait(browser, LONGEST_WAIT_SECONDS, ignored_exceptions=[StaleElementReferenceException])
    wait.until(lambda _: all(text in account(browser) for text in expected), f"{expected} is not on the page")
    assert browser.execute_script("return window.isStillTheSame")
    memory = next(cache for cache in after["caches"] if cache["tier"] == "memory")
    row = next(row for row in browser.find_elements(By.TAG_NAME, "tr") if row.text.startswith("memory "))
    assert f"{int(memory['entries']):,}" == row.find_elements(By.TAG_NAME, "td")[1].text
    screenshot(browser, "light")


def test_the_form_searches(browser):
    browser.find_element(By.NAME, "q").send_keys("wireless headphones")
    browser.find_element(By.TAG_NAME, "button").click()
    found = WebDriverWait(browser, LONGEST_WAIT_SECONDS).until(lambda _: browser.find_element(By.ID, "found"))
    assert "B0SBHEAD01" in found.text
    assert browser.find_element(By.NAME, "q").get_attribute("value") == "wireless headphones"


def test_it_fits_a_phone_and_is_dark_where_the_reader_wants_it(browser):
    colours = set()
    for scheme in ["light", "dark"]:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        colours.add(browser.execute_script("return getComputedStyle(document.body).color"))
    assert len(colours) == 2, colours
    screenshot(browser, "dark")
    browser.set_window_size(*PHONE)
    metrics = {"width": PHONE[0], "height": PHONE[1], "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(PAGE)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    screenshot(browser, "phone")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_loads_nothing_from_elsewhere(browser):
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert any(name.endswith("/style.css") for name in loaded)
    assert all(name.startswith((PAGE, "data:")) for name in loaded), loaded


def test_it_is_readable_without_javascript_and_then_loads_itself_again(browser):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(PAGE)
    assert "calls left" in account(browser)
    assert '<meta http-equiv="refresh"' in browser.page_source
