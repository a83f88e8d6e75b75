"""`stockroom mcp` through the official Python client, over stdio and over HTTP, by both of the protocol's lifecycles.

Each test starts gateways with invented products on free ports of this machine.
"""

import asyncio
import os
import re
import subprocess
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters

PROGRAM = os.environ.get("GATEWAY", str(Path(__file__).resolve().parents[2] / "target/debug/stockroom"))
TOKEN = "a-token-of-the-agent"
END_SECONDS = 30
TOOLS = {
    "search": {"keywords": "lamp", "max_price": "30", "page_size": 3},
    "product": {"asins": ["B0SBHEAD01", "B0SBNOBODY"]},
    "compare": {"asins": ["B0SBHEAD01", "B0SBHEAD02"]},
    "browse": {"ids": ["9000010000"]},
    "trending": {"category": "headphones", "limit": 3},
    "deals": {"category": "laptops", "max_price": 500},
    "status": {},
}


@contextmanager
def program(*arguments: str, **environment: str):
    """A process of the program, and the address that it prints once it listens."""
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"STOCKROOM_ADMIN__LISTEN": "127.0.0.1:0"} | environment,
    )
    try:
        yield next(found[1] for line in process.stdout if (found := re.search(r"listening on (\S+)", line)))
    finally:
        process.terminate()
        process.wait(END_SECONDS)


def gateway(**environment: str):
    return program("serve", "--sandbox", "--listen", "127.0.0.1:0", **environment)


@asynccontextmanager
async def tools(transport: str, server: str, token: str = ""):
    """A client of `stockroom mcp` in front of a gateway."""
    environment = {"STOCKROOM_SERVER": server, "STOCKROOM_TOKEN": token}
    way, mode = transport.split()
    if way == "stdio":
        async with Client(StdioServerParameters(command=PROGRAM, args=["mcp"], env=environment), mode=mode) as client:
            yield client
        return
    with program("mcp", "--listen", "127.0.0.1:0", **environment) as url:
        async with Client(url, mode=mode) as client:
            yield client


@pytest.fixture(params=["stdio auto", "stdio legacy", "http auto", "http legacy"])
def transport(request):
    return request.param


def error_of(result) -> dict:
    """The error of a refused call, whose text says it too."""
    assert result.is_error, result
    error, text = result.structured_content["error"], result.content[0].text
    assert error["message"] in text.replace("\\", "") and error["whatNext"] in text.replace("\\", "")
    return error


def test_each_tool_is_listed_and_answers(transport):
    async def run(server):
        async with tools(transport, server) as client:
            listed = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert list(listed) == list(TOOLS)
            assert listed["search"].input_schema["properties"]["page_size"]["maximum"] == 100
            assert "headphones" in listed["deals"].input_schema["properties"]["category"]["description"]
            for name, arguments in TOOLS.items():
                result = await client.call_tool(name, arguments)
                assert not result.is_error, (name, result)
                assert result.content[0].type == "text" and result.structured_content, name
                if name != "status":
                    assert "to Amazon" in result.content[0].text
                    assert result.structured_content["notices"]["disclosure"] in result.content[0].text
            compared = (await client.call_tool("compare", TOOLS["compare"])).structured_content
            assert [row["asin"] for row in compared["rows"]] == TOOLS["compare"]["asins"]
            assert compared["summary"]["cost"].get("amazonCalls", 0) == 0

    with gateway() as server:
        asyncio.run(run(server))


def test_faulty_calls_are_refused_with_their_arguments(transport):
    cases = [
        ("search", {"keywords": "lamp", "colour": "red"}, ["colour"]),
        ("search", {"keywords": "lamp", "page_size": "ten"}, ["page_size"]),
        ("search", {"keywords": "lamp", "min_rating": 7}, ["min_rating"]),
        ("compare", {"asins": ["B0SBHEAD01", "lamp"]}, ["asins[1]"]),
        ("product", {}, ["arguments"]),
        ("browse", {"ids": ["lamp"]}, ["ids[0]"]),
        ("trending", {"category": "hedphones"}, ["category"]),
        ("deals", {"limit": 51}, ["limit"]),
        ("status", {"verbose": True}, ["verbose"]),
    ]

    async def run(server):
        async with tools(transport, server) as client:
            for name, arguments, fields in cases:
                error = error_of(await client.call_tool(name, arguments))
                assert (error["code"], error["reason"]) == ("INVALID_ARGUMENT", "INVALID_REQUEST"), name
                assert [fault["field"] for fault in error["fields"]] == fields, error
            with pytest.raises(MCPError, match="there is no tool"):
                await client.call_tool("buy", {})

    with gateway() as server:
        asyncio.run(run(server))


def test_a_call_without_a_token_or_a_budget_says_who_must_act_and_when(transport):
    async def run(server):
        async with tools(transport, server) as client:
            error = error_of(await client.call_tool("search", {"keywords": "lamp"}))
            assert (error["code"], error["reason"]) == ("UNAUTHENTICATED", "CALLER_UNKNOWN")
        async with tools(transport, server, TOKEN) as client:
            assert error_of(await client.call_tool("status", {}))["reason"] == "NOT_AN_ADMIN"
            assert not (await client.call_tool("search", {"keywords": "lamp"})).is_error
            error = error_of(await client.call_tool("search", {"keywords": "desk"}))
            assert (error["code"], error["reason"]) == ("RESOURCE_EXHAUSTED", "CALLER_SHARE_SPENT")
            assert error["retryAfterSeconds"] > 3600 and error["requestId"]
            assert TOKEN not in str(error)

    callers = {"STOCKROOM_CALLERS__AGENT__TOKEN": TOKEN, "STOCKROOM_CALLERS__AGENT__CALLS_PER_DAY": "1"}
    with gateway(**callers) as server:
        asyncio.run(run(server))


def test_without_a_gateway_the_tools_are_listed_and_each_call_says_so(transport):
    async def run():
        async with tools(transport, "127.0.0.1:1") as client:
            assert len((await client.list_tools()).tools) == len(TOOLS)
            for name, arguments in TOOLS.items():
                error = error_of(await client.call_tool(name, arguments))
                assert (error["code"], error["reason"]) == ("UNAVAILABLE", ""), name
                assert "no gateway answers" in error["message"] and "STOCKROOM_SERVER" in error["whatNext"]

    asyncio.run(run())
