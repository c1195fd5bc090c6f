// SPDX-License-Identifier: Apache-2.0

// Package lambdatest runs a Lambda function's bootstrap program as Lambda would, behind an HTTP API as API Gateway would have it,
// in one process on loopback and without an AWS account. It is for tests only.
//
//	f := lambdatest.New(t, lambdatest.Config{Bootstrap: "build/lambda/bootstrap", Env: env, Timeout: 20 * time.Second, Instances: 4})
//	api := lambdatest.StartGateway(t, lambdatest.GatewayConfig{Routes: []lambdatest.Route{{Key: "GET /playlist.m3u8", Function: f}}})
//	http.Get(api.URL + "/playlist.m3u8?camera_id=cam1")
//
// # Function
//
// Each instance is a process of its own with nothing of this process's environment and a Runtime API of its own (version 2018-06-01:
// invocation/next, response, error, init/error). It gets one invocation at a time and is waited for until it asks for the next one.
// A process that needs too long to start or to answer is killed; whatever ends, ends alone: the next invocation boots a fresh one,
// and one that died idle is replaced without failing a call. Payloads are bounded as Lambda bounds them. With Config.Freeze a
// process does not run between invocations, as on Lambda, which is what its idle connections and timers notice.
//
// # HTTP API
//
// Routes by "METHOD /path" (HEAD is not GET), greedy {proxy+}, CORS answered here and taken away from functions, the limits of
// request head, bodies and integration time, event and answer in payload format 2.0. rawPath comes decoded, as it does from real
// HTTP APIs (but not from REST APIs and function URLs).
//
// What AWS answers beyond its documentation (the texts and codes of 413, 431 and 503) is as remembered, not as measured.
package lambdatest
