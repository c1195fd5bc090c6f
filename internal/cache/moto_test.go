// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/test/aws/mototest"
)

// motoTable makes a table in moto, which knows DynamoDB independently of us, and a client with the session credentials of a role
// that may do what the functions' roles may.
func motoTable(t *testing.T) (*dynamodb.Client, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: the conformance run against moto, because of -short")
	}
	moto := mototest.Start(t)
	const table, role = "IPC-Cache-conformance", "cache-conformance"
	moto.CreateTable(t, table)
	moto.CreateRole(t, role, policy("dynamodb:GetItem", "dynamodb:PutItem"))
	return dynamodb.NewFromConfig(moto.Config(moto.AssumeRole(t, role, "cache"))), table
}

func policy(actions ...string) []byte {
	return []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}]}`)
}

func TestMotosRefusalsAreExplained(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: refusals of moto, because of -short")
	}
	moto := mototest.Start(t)
	const table, role = "IPC-Cache-refusals", "cache-refusals"
	moto.CreateTable(t, table)
	moto.CreateRole(t, role, policy("dynamodb:GetItem"))
	client := dynamodb.NewFromConfig(moto.Config(moto.AssumeRole(t, role, "cache")))
	d := openTable(t, client, table)
	load(t, d, "a")
	err := d.Save(t.Context(), window("a", 0, 1, now))
	if err == nil || errors.Is(err, playback.ErrConflict) || !strings.Contains(err.Error(), "must allow dynamodb:GetItem and dynamodb:PutItem") {
		t.Errorf("without the permission to write: %v", err)
	}
	missing := openTable(t, client, "no-such-table")
	if _, err := missing.Load(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "no such table") {
		t.Errorf("without a table: %v", err)
	}
}
